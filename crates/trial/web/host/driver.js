// What Element Call may ask of the client that it is a widget of (matrix-widget-api), answered with matrix-js-sdk.
//
// It gets every capability that it asks for: it runs beside this page, for one room, on a homeserver of the trial's.
// MSC4140 delayed events, MSC4143 transports, MSC4354 sticky events, MSC3819 to-device messages, MSC1960 OpenID.

import { Direction, MatrixError } from "matrix-js-sdk";
import { OpenIDRequestState, WidgetDriver } from "matrix-widget-api";

/** The messages that hold media keys, as deployed: `{keys: {index, key}, …}`. */
const MEDIA_KEYS = "io.element.call.encryption_keys";
const MEDIA_KEY_BYTES = 16;

export class Driver extends WidgetDriver {
    #client;
    #room;
    #keys;

    /** `keys` is what happens to media keys on their way: `{how, ms, times}`. */
    constructor(client, room, keys = { how: "as they are" }) {
        super();
        this.#client = client;
        this.#room = room;
        this.#keys = keys;
    }

    async validateCapabilities(requested) {
        return requested;
    }

    getKnownRooms() {
        return [this.#room.roomId];
    }

    processError(error) {
        return error instanceof MatrixError ? { matrix_api_error: error.asWidgetApiErrorData() } : undefined;
    }

    // --- events, now and later

    async sendEvent(type, content, stateKey = null, roomId = this.#room.roomId) {
        roomId ??= this.#room.roomId;
        const { event_id: eventId } = stateKey === null
            ? await this.#sendTimelineEvent(roomId, type, content)
            : await this.#client.sendStateEvent(roomId, type, content, stateKey);
        return { roomId, eventId };
    }

    #sendTimelineEvent(roomId, type, content) {
        if (type === "m.room.redaction") return this.#client.redactEvent(roomId, content.redacts);
        return this.#client.sendEvent(roomId, type, content);
    }

    async sendDelayedEvent(delay, type, content, stateKey = null, roomId = null) {
        roomId ??= this.#room.roomId;
        const { delay_id: delayId } = stateKey === null
            ? await this.#client._unstable_sendDelayedEvent(roomId, { delay }, null, type, content)
            : await this.#client._unstable_sendDelayedStateEvent(roomId, { delay }, type, content, stateKey);
        return { roomId, delayId };
    }

    async sendStickyEvent(stickyMs, type, content, roomId = null) {
        roomId ??= this.#room.roomId;
        const { event_id: eventId } = await this.#client._unstable_sendStickyEvent(
            roomId, stickyMs, null, type, content);
        return { roomId, eventId };
    }

    async sendDelayedStickyEvent(delay, stickyMs, type, content, roomId = null) {
        roomId ??= this.#room.roomId;
        const { delay_id: delayId } = await this.#client._unstable_sendStickyDelayedEvent(
            roomId, stickyMs, { delay }, null, type, content);
        return { roomId, delayId };
    }

    async cancelScheduledDelayedEvent(delayId) {
        await this.#client._unstable_cancelScheduledDelayedEvent(delayId);
    }

    async restartScheduledDelayedEvent(delayId) {
        await this.#client._unstable_restartScheduledDelayedEvent(delayId);
    }

    async sendScheduledDelayedEvent(delayId) {
        await this.#client._unstable_sendScheduledDelayedEvent(delayId);
    }

    // --- to-device: `{user: {device or "*": content}}`

    async sendToDevice(type, encrypted, contents) {
        if (type !== MEDIA_KEYS) return this.#sendToDevice(type, encrypted, contents);
        const send = (these) => this.#sendToDevice(type, encrypted, these);
        const { how, ms, times } = this.#keys;
        switch (how) {
            case "as they are": return send(contents);
            case "dropped": return;
            // Element Call does not wait for it: it takes a request for failed after ten seconds.
            case "delayed": setTimeout(() => send(contents).catch((error) => console.error(error)), ms); return;
            case "wrong": return send(withOtherKey(contents));
            case "repeated": for (let sent = 0; sent < times; sent++) await send(contents); return;
            default: throw new Error(`no way to treat keys: ${how}`);
        }
    }

    async #sendToDevice(type, encrypted, contents) {
        if (!encrypted) {
            const plain = Object.entries(contents).map(([user, devices]) => [user, new Map(Object.entries(devices))]);
            await this.#client.sendToDevice(type, new Map(plain));
            return;
        }
        const crypto = this.#client.getCrypto();
        const known = await crypto.getUserDeviceInfo(Object.keys(contents), true);
        for (const [userId, devices] of Object.entries(contents)) {
            for (const [device, content] of Object.entries(devices)) {
                const ids = device === "*" ? [...(known.get(userId)?.keys() ?? [])] : [device];
                const targets = ids.map((deviceId) => ({ userId, deviceId }));
                await this.#client.queueToDevice(await crypto.encryptToDeviceMessages(type, targets, content));
            }
        }
    }

    // --- reading

    async readRoomState(roomId, type, stateKey) {
        const state = this.#client.getRoom(roomId)?.getLiveTimeline().getState(Direction.Forward);
        if (!state) return [];
        const found = stateKey === undefined ? state.getStateEvents(type) : [state.getStateEvents(type, stateKey)];
        return found.filter(Boolean).map(effective);
    }

    async readRoomTimeline(roomId, type, msgtype, stateKey, limit, since) {
        const newestFirst = [...(this.#client.getRoom(roomId)?.getLiveTimeline().getEvents() ?? [])].reverse();
        const end = since === undefined ? -1 : newestFirst.findIndex((event) => event.getId() === since);
        return newestFirst
            .slice(0, end < 0 ? undefined : end)
            .filter((event) => event.getType() === type && (!msgtype || event.getContent().msgtype === msgtype))
            .filter((event) => (stateKey === undefined ? !event.isState() : event.getStateKey() === stateKey))
            .slice(0, limit)
            .map(effective);
    }

    async readStickyEvents(roomId) {
        return [...(this.#client.getRoom(roomId)?._unstable_getStickyEvents() ?? [])].map(effective);
    }

    async readEventRelations(eventId, roomId, relation, type, from, to, limit, dir) {
        const page = await this.#client.relations(
            roomId ?? this.#room.roomId, eventId, relation ?? null, type ?? null, { from, to, limit, dir });
        const { nextBatch, prevBatch } = page;
        return {
            chunk: page.events.map(effective), nextBatch: nextBatch ?? undefined, prevBatch: prevBatch ?? undefined,
        };
    }

    // --- what it needs to reach an SFU

    askOpenID(observer) {
        this.#client.getOpenIdToken().then(
            (token) => observer.update({ state: OpenIDRequestState.Allowed, token }),
            () => observer.update({ state: OpenIDRequestState.Blocked }));
    }

    async getRtcTransports() {
        return { rtc_transports: await this.#client._unstable_getRTCTransports() };
    }

    async *getTurnServers() {}
}

const effective = (event) => event.getEffectiveEvent();

/** The same messages with another key, which fits nobody's media. */
function withOtherKey(contents) {
    const key = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(MEDIA_KEY_BYTES))));
    const changed = (content) => ({ ...content, keys: { ...content.keys, key } });
    const mapped = (object, change) => Object.fromEntries(
        Object.entries(object).map(([name, value]) => [name, change(value)]));
    return mapped(contents, (devices) => mapped(devices, changed));
}
