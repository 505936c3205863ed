// Element Call in a frame of this page, and what its own page shows and plays.
//
// Selectors and actions are Element Call 0.26.1's. Its page is of our origin, so that we may look inside.

import { ClientEvent, RoomStateEvent } from "matrix-js-sdk";
import { RoomStickyEventsEvent } from "matrix-js-sdk/lib/models/room-sticky-events.js";
import { ClientWidgetApi, Widget } from "matrix-widget-api";
import { Driver } from "./driver.js";

const WIDGET_ID = "element-call";

/** For a MutationObserver. */
const EVERYTHING = { subtree: true, childList: true, attributes: true, characterData: true };

/** What Element Call says about itself: widget action → the state that the call is in then. */
const ACTIONS = {
    "io.element.join": "joined",
    "im.vector.hangup": "left",
    "io.element.close": "left",
    "io.element.device_mute": null,
    set_always_on_screen: null,
};

export class Call {
    state = "opening";
    #waiting = [];
    #frame = document.createElement("iframe");
    #api;
    #stop = [];

    /**
     * Opens Element Call for `room` in `place`, and joins without its lobby. `parameters` overrule what we pass it,
     * `keys` says what happens to the media keys that it sends (driver.js).
     */
    constructor(client, room, place, { parameters = {}, keys } = {}) {
        const url = address(client, room, parameters);
        this.#frame.allow = "microphone; camera; autoplay; display-capture; clipboard-write; encrypted-media";
        this.#frame.title = "Element Call";
        place.append(this.#frame);
        const widget = new Widget({
            id: WIDGET_ID, type: "m.custom", name: "Element Call", creatorUserId: client.getSafeUserId(),
            url, waitForIframeLoad: false, data: {},
        });
        this.#api = new ClientWidgetApi(widget, this.#frame, new Driver(client, room, keys));
        this.#api.setViewedRoomId(room.roomId);
        this.#api.once("ready", () => this.#feed(client, room));
        this.#api.on("error:preparing", (error) => this.#enter("failed", error));
        for (const [action, state] of Object.entries(ACTIONS)) this.#api.on(`action:${action}`, (event) => {
            event.preventDefault();
            this.#api.transport.reply(event.detail, action === "set_always_on_screen" ? { success: true } : {});
            if (state) this.#enter(state);
        });
        this.#frame.src = url;
    }

    /** Resolves when the call is in `state`; rejects when it cannot get there any more. */
    async until(state) {
        while (this.state !== state) {
            if (this.state === "failed" || this.state === "left") throw new Error(`it ${this.state} ${this.why ?? ""}`);
            await new Promise((wake) => this.#waiting.push(wake));
        }
    }

    async hangUp() {
        if (this.state === "left") return;
        // The answer comes from a page that is closing; what counts is that it says it left.
        this.#api.transport.send("im.vector.hangup", {}).catch(() => {});
        await this.until("left");
    }

    /** Closes the frame, whatever goes on in it. */
    close() {
        for (const stop of this.#stop.splice(0)) stop();
        this.take = () => {};
        this.#api.stop();
        this.#frame.remove();
    }

    async mute(muted) {
        await this.#api.transport.send("io.element.device_mute", { audio_enabled: !muted });
    }

    /** What `ears.js` in Element Call's page hears. */
    get ears() {
        return this.#frame.contentWindow.ears;
    }

    /** What Element Call shows. The spotlight repeats a tile: each name counts once. */
    shown() {
        const page = this.#frame.contentDocument;
        const people = [...page.querySelectorAll("[data-testid='videoTile']")].map((tile) => ({
            name: tile.querySelector("[data-testid='name_tag']")?.textContent ?? "",
            muted: tile.querySelector("[data-muted]")?.dataset.muted === "true",
            unencrypted: tile.querySelector("[aria-label='Not encrypted']") !== null,
            waiting: tile.textContent.includes("Waiting for media"),
        })).filter(({ name }) => name !== "");
        const header = (selector) => page.querySelector(selector);
        return {
            participants: [...new Map(people.map((person) => [person.name, person])).values()],
            count: Number(header("[data-testid='roomHeader_participants_count']")?.textContent ?? 0),
            locked: header("[data-encrypted]")?.dataset.encrypted === "true",
        };
    }

    /** The same, as soon as it differs from what is given as JSON. */
    async shownOtherThan(known) {
        for (;;) {
            const now = this.shown();
            if (JSON.stringify(now) !== known) return now;
            await new Promise((changed) => {
                const watch = new MutationObserver(() => {
                    watch.disconnect();
                    changed();
                });
                watch.observe(this.#frame.contentDocument, EVERYTHING);
            });
        }
    }

    #enter(state, why) {
        this.state = state;
        this.why = why;
        for (const wake of this.#waiting.splice(0)) wake();
    }

    // The events of the room, as they come. Once each: Element Call counts what it is told.
    #feed(client, room) {
        const fed = new Set();
        const log = (error) => console.warn("Element Call did not take an event:", error);
        const give = (event) => {
            if (event.getRoomId() !== room.roomId || fed.has(event.getId())) return;
            fed.add(event.getId());
            this.#api.feedEvent(event.getEffectiveEvent()).catch(log);
        };
        this.take = give;
        this.#listen(room, RoomStickyEventsEvent.Update, (added, updated) => {
            for (const event of [...added, ...updated.map(({ current }) => current)]) give(event);
        });
        this.#listen(client, RoomStateEvent.Events, (event) => {
            if (event.getRoomId() === room.roomId) this.#api.feedStateUpdate(event.getEffectiveEvent()).catch(log);
        });
        this.#listen(client, ClientEvent.ReceivedToDeviceMessage, ({ message, encryptionInfo }) => {
            this.#api.feedToDevice(message, encryptionInfo !== null).catch(log);
        });
    }

    /** Passes on an event that `client.js` has in clear; nothing before Element Call is ready. */
    take() {}

    #listen(emitter, name, listener) {
        emitter.on(name, listener);
        this.#stop.push(() => emitter.off(name, listener));
    }
}

function address(client, room, parameters) {
    const url = new URL("call/index.html", import.meta.url);
    url.hash = "?" + new URLSearchParams({
        widgetId: WIDGET_ID,
        parentUrl: location.origin + location.pathname,
        roomId: room.roomId,
        userId: client.getSafeUserId(),
        deviceId: client.getDeviceId(),
        baseUrl: client.baseUrl,
        intent: "join_existing_voice",      // nobody is rung
        skipLobby: "true",
        returnToLobby: "false",
        confineToRoom: "true",
        header: "standard",
        preload: "false",
        lang: "en",
        theme: "dark",
        perParticipantE2EE: String(room.hasEncryptionStateEvent()),
        ...parameters,
    });
    return url.href;
}
