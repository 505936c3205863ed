// Messages of all rooms, kept for the test that asks and shown for the person who looks.

const SHOWN_MAX = 500;      // rows on the page; the oldest go

const CLOCK = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };

export class Chat {
    #byRoom = new Map();
    #waiting = [];
    #shown = null;
    #list = document.getElementById("messages");

    constructor(nameOf) {
        this.nameOf = nameOf;
    }

    /** Takes any event; keeps messages. */
    take(event) {
        if (event.getType() !== "m.room.message" || event.isRedacted()) return;
        const message = readable(event);
        this.#of(event.getRoomId()).push(message);
        if (event.getRoomId() === this.#shown) this.#append(message);
        for (const wake of this.#waiting.splice(0)) wake();
    }

    /** The messages of a room from index `from` on, in the order of their arrival; waits until there is one. */
    async after(roomId, from) {
        while (this.#of(roomId).length <= from) await new Promise((wake) => this.#waiting.push(wake));
        return this.#of(roomId).slice(from);
    }

    /** The messages of a room that are here now. */
    now(roomId) {
        return this.#of(roomId);
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

    #append({ sender, body, msgtype, ts }) {
        const row = document.createElement("li");
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
        msgtype: String(content.msgtype ?? ""),
        body: String(content["m.new_content"]?.body ?? content.body ?? ""),
        mentions: content["m.mentions"]?.user_ids ?? [],
        reply_to: relation["m.in_reply_to"]?.event_id ?? null,
        replaces: relation.rel_type === "m.replace" ? relation.event_id : null,
        encrypted: event.isEncrypted(),
        ts: event.getTs(),
    };
}
