// Messages of all rooms, with what became of them, kept for the test that asks and shown for the person who looks.

const SHOWN_MAX = 500;      // rows on the page; the oldest go

const CLOCK = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };

export class Chat {
    #byRoom = new Map();
    #reactions = [];            // { event_id, target, sender, key }
    #redacted = new Set();
    #changes = 0;
    #waiting = [];
    #shown = null;
    #list = document.getElementById("messages");

    constructor(nameOf) {
        this.nameOf = nameOf;
    }

    /** Takes any event; keeps messages, reactions and redactions. */
    take(event) {
        if (event.isRedacted()) return;
        switch (event.getType()) {
        case "m.room.message": this.#takeMessage(event); break;
        case "m.reaction": this.#takeReaction(event); break;
        case "m.room.redaction": this.#redacted.add(event.event.redacts ?? event.getContent().redacts); break;
        default: return;
        }
        this.#changes += 1;
        for (const wake of this.#waiting.splice(0)) wake();
    }

    #takeMessage(event) {
        const message = readable(event);
        this.#of(event.getRoomId()).push(message);
        if (event.getRoomId() === this.#shown) this.#append(message);
    }

    #takeReaction(event) {
        const { event_id: target, key } = event.getContent()["m.relates_to"] ?? {};
        this.#reactions.push({ event_id: event.getId(), target, sender: event.getSender(), key: String(key ?? "") });
    }

    /** The messages of a room from index `from` on, edits among them, in the order of their arrival; waits until there
     *  is one. */
    async after(roomId, from) {
        while (this.#of(roomId).length <= from) await this.#change();
        return this.#of(roomId).slice(from);
    }

    /** The messages of a room as they are now: with their newest text and their reactions, without what was taken
     *  back. */
    now(roomId) {
        const there = this.#of(roomId).filter(({ event_id }) => !this.#redacted.has(event_id));
        const reactions = this.#reactions.filter(({ event_id }) => !this.#redacted.has(event_id));
        return there.filter(({ replaces }) => !replaces).map((message) => {
            const edits = there.filter(({ replaces, sender }) =>
                replaces === message.event_id && sender === message.sender);
            const { msgtype, body, html } = edits.at(-1) ?? message;
            return {
                ...message, msgtype, body, html, edits: edits.length,
                reactions: reactions.filter(({ target }) => target === message.event_id),
            };
        });
    }

    /** Resolves to `{changes, messages}` once more than `changes` have come, of any room. */
    async changed(roomId, changes) {
        while (this.#changes <= changes) await this.#change();
        return { changes: this.#changes, messages: this.now(roomId) };
    }

    /** Who wrote a message. */
    senderOf(roomId, eventId) {
        return this.#of(roomId).find(({ event_id }) => event_id === eventId)?.sender;
    }

    #change() {
        return new Promise((wake) => this.#waiting.push(wake));
    }

    /** Puts a room's messages on the page. */
    show(roomId, me) {
        this.#shown = roomId;
        this.me = me;
        this.#list.replaceChildren();
        for (const message of this.#of(roomId).slice(-SHOWN_MAX)) this.#append(message);
    }

    #of(roomId) {
        if (!this.#byRoom.has(roomId)) this.#byRoom.set(roomId, []);
        return this.#byRoom.get(roomId);
    }

    #append({ event_id, replaces, sender, body, msgtype, ts }) {
        const edited = replaces && this.#list.querySelector(`[data-event="${CSS.escape(replaces)}"] .body`);
        if (edited) {
            edited.textContent = body;
            return;
        }
        const row = document.createElement("li");
        row.dataset.event = event_id;
        row.classList.toggle("notice", msgtype === "m.notice");
        row.classList.toggle("mine", sender === this.me);
        const at = new Date(ts);
        const time = element("time", at.toLocaleTimeString([], CLOCK));
        time.dateTime = at.toISOString();
        const who = element("div", "", "who");
        who.append(element("span", this.nameOf(this.#shown, sender)), time);
        row.append(who, element("div", body, "body"));
        this.#list.append(row);
        if (this.#list.children.length > SHOWN_MAX) this.#list.firstElementChild.remove();
        this.#list.scrollTop = this.#list.scrollHeight;
    }
}

function element(tag, text, className) {
    const made = document.createElement(tag);
    made.textContent = text;
    if (className) made.className = className;
    return made;
}

function readable(event) {
    const content = event.getContent();
    const relation = event.getWireContent()["m.relates_to"] ?? content["m.relates_to"] ?? {};
    return {
        event_id: event.getId(),
        sender: event.getSender(),
        msgtype: String((content["m.new_content"] ?? content).msgtype ?? ""),
        body: String(content["m.new_content"]?.body ?? content.body ?? ""),
        html: (content["m.new_content"] ?? content).formatted_body ?? null,
        mentions: content["m.mentions"]?.user_ids ?? [],
        reply_to: relation["m.in_reply_to"]?.event_id ?? null,
        replaces: relation.rel_type === "m.replace" ? relation.event_id : null,
        edits: 0,
        reactions: [],
        encrypted: event.isEncrypted(),
        ts: event.getTs(),
    };
}
