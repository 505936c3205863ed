// The page: a room to chat in and Element Call beside it, for a person with a link and for a test with a debugger.
//
// Everything is told in the address's fragment, which no server sees: `homeserver`, `user`, `password` or `token`,
// and `room` to show at once. `window.host` is what a test calls.

import { ClientEvent, KnownMembership, RoomEvent, RoomStateEvent } from "matrix-js-sdk";
import { Call } from "./call.js";
import { Chat } from "./chat.js";
import { signIn } from "./client.js";
import * as sending from "./sending.js";

/** What one sends to be in a call: as state, and as a sticky event (MSC4143). */
const MEMBERSHIPS = ["org.matrix.msc3401.call.member", "org.matrix.msc4143.rtc.member"];

const wish = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
const $ = (id) => document.getElementById(id);

class Host {
    #client;
    #room;
    #chat = new Chat((roomId, userId) => this.#client?.getRoom(roomId)?.getMember(userId)?.name ?? userId);
    call = null;

    /** Resolves to `{user_id, device_id}` when signed in. */
    ready = this.#start();

    async #start() {
        status(`Signing in as ${wish.user ?? "guest"}…`);
        this.#client = await signIn(wish, (event) => {
            this.#chat.take(event);
            this.call?.take(event);
        });
        status(`Signed in as ${this.#client.getUserId()}`);
        if (wish.room) await this.join(wish.room);
        return { user_id: this.#client.getUserId(), device_id: this.#client.getDeviceId() };
    }

    /** Makes a room for calls: everyone may be in one who has the power level `call_power_level`. */
    async createRoom({ name, encrypted, invite, call_power_level }) {
        const events = Object.fromEntries(MEMBERSHIPS.map((type) => [type, call_power_level]));
        const { room_id } = await this.#client.createRoom({
            preset: "private_chat",
            name,
            invite,
            power_level_content_override: { events },
            initial_state: encrypted
                ? [{ type: "m.room.encryption", state_key: "", content: { algorithm: "m.megolm.v1.aes-sha2" } }] : [],
        });
        const room = await this.#joined(room_id);
        while (encrypted && !room.hasEncryptionStateEvent()) await once(room.currentState, RoomStateEvent.Events);
        this.#show(room);
        return room_id;
    }

    async join(roomId) {
        await this.#client.joinRoom(roomId);
        this.#show(await this.#joined(roomId));
    }

    /** Resolves when a user is a member of a room. */
    async member(roomId, userId) {
        const room = await this.#joined(roomId);
        while (room.getMember(userId)?.membership !== KnownMembership.Join) {
            await once(room.currentState, RoomStateEvent.Members);
        }
    }

    say(roomId, body) {
        return sending.say(this.#client, roomId, body);
    }

    reply(roomId, eventId, body) {
        return sending.reply(this.#client, roomId, eventId, this.#chat.senderOf(roomId, eventId), body);
    }

    edit(roomId, eventId, body) {
        return sending.edit(this.#client, roomId, eventId, body);
    }

    react(roomId, eventId, key) {
        return sending.react(this.#client, roomId, eventId, key);
    }

    redact(roomId, eventId) {
        return sending.redact(this.#client, roomId, eventId);
    }

    async sendFile(roomId, file) {
        const room = await this.#joined(roomId);
        return sending.sendFile(this.#client, roomId, file, room.hasEncryptionStateEvent());
    }

    messages(roomId) {
        return this.#chat.now(roomId);
    }

    messagesAfter(roomId, from) {
        return this.#chat.after(roomId, from);
    }

    messagesChanged(roomId, changes) {
        return this.#chat.changed(roomId, changes);
    }

    /** Opens Element Call. `settings` is what its Settings dialogue would store: name → value, null for none. */
    async openCall(roomId, { settings = {}, parameters = {}, keys } = {}) {
        this.call?.close();
        for (const [name, value] of Object.entries(settings)) {
            if (value === null) localStorage.removeItem(`matrix-setting-${name}`);
            else localStorage.setItem(`matrix-setting-${name}`, JSON.stringify(value));
        }
        const room = await this.#joined(roomId);
        const call = this.call = new Call(this.#client, room, $("stage"), { parameters, keys });
        $("door").hidden = true;
        call.until("left").catch(() => {}).finally(() => {
            if (this.call === call) this.#closeCall();
        });
    }

    #closeCall() {
        this.call.close();
        $("door").hidden = false;
    }

    #show(room) {
        this.#room = room;
        $("room-name").textContent = room.name;
        const encryption = room.hasEncryptionStateEvent() ? "end-to-end encrypted" : "not encrypted";
        $("invitation").textContent = `A call, ${encryption}`;
        this.#chat.show(room.roomId, this.#client.getUserId());
        for (const control of document.querySelectorAll("#text, #say button, #join")) control.disabled = false;
    }

    async #joined(roomId) {
        for (;;) {
            const room = this.#client.getRoom(roomId);
            if (room?.getMyMembership() === KnownMembership.Join) return room;
            await Promise.race([once(this.#client, ClientEvent.Room), once(this.#client, RoomEvent.MyMembership)]);
        }
    }

    bind() {
        $("say").addEventListener("submit", (event) => {
            event.preventDefault();
            const body = $("text").value.trim();
            if (!body) return;
            $("text").value = "";
            this.say(this.#room.roomId, body).catch(fail);
        });
        $("join").addEventListener("click", () => this.openCall(this.#room.roomId).catch(fail));
        this.ready.catch(fail);
    }
}

const once = (emitter, name) => new Promise((resolve) => emitter.once(name, resolve));

function status(text) {
    $("status").textContent = text;
}

function fail(error) {
    console.error(error);
    $("status").classList.add("failed");
    status(String(error?.message ?? error));
}

window.host = new Host();
window.host.bind();
