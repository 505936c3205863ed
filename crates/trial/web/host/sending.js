// What a person does in a room: says, answers, edits, reacts, takes back, sends a file.

const NOBODY = {};

/** Says `body` and resolves to the event's id. */
export const say = (client, roomId, body) => send(client, roomId, { msgtype: "m.text", body, "m.mentions": NOBODY });

/** Answers a message; as clients do, it mentions who wrote that one. */
export const reply = (client, roomId, eventId, sender, body) => send(client, roomId, {
    msgtype: "m.text",
    body,
    "m.mentions": sender && sender !== client.getUserId() ? { user_ids: [sender] } : NOBODY,
    "m.relates_to": { "m.in_reply_to": { event_id: eventId } },
});

/** Gives a message of one's own another text. */
export const edit = (client, roomId, eventId, body) => send(client, roomId, {
    msgtype: "m.text",
    body: `* ${body}`,
    "m.mentions": NOBODY,
    "m.new_content": { msgtype: "m.text", body, "m.mentions": NOBODY },
    "m.relates_to": { rel_type: "m.replace", event_id: eventId },
});

/** Puts a reaction on a message. */
export async function react(client, roomId, eventId, key) {
    const relation = { rel_type: "m.annotation", event_id: eventId, key };
    return (await client.sendEvent(roomId, "m.reaction", { "m.relates_to": relation })).event_id;
}

/** Takes a message or a reaction back. */
export async function redact(client, roomId, eventId) {
    return (await client.redactEvent(roomId, eventId)).event_id;
}

/** Sends a file, `{name, type, base64, caption}`; encrypted if `encrypted`, as all is in such a room. */
export async function sendFile(client, roomId, { name, type, base64, caption }, encrypted) {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    return send(client, roomId, {
        msgtype: { audio: "m.audio", video: "m.video" }[type.split("/")[0]] ?? "m.file",
        body: caption ?? name,
        filename: name,
        info: { mimetype: type, size: bytes.length },
        "m.mentions": NOBODY,
        ...encrypted ? { file: await uploadSealed(client, bytes) } : { url: await upload(client, bytes, type) },
    });
}

async function send(client, roomId, content) {
    return (await client.sendMessage(roomId, content)).event_id;
}

async function upload(client, bytes, type) {
    return (await client.uploadContent(new Blob([bytes], { type }), { type, includeFilename: false })).content_uri;
}

/** Client-server API, "Sending encrypted attachments", version 2: AES-CTR, the counter in the last 8 bytes. */
async function uploadSealed(client, bytes) {
    const key = await crypto.subtle.generateKey({ name: "AES-CTR", length: 256 }, true, ["encrypt", "decrypt"]);
    const iv = new Uint8Array(16);
    crypto.getRandomValues(iv.subarray(0, 8));
    const sealed = await crypto.subtle.encrypt({ name: "AES-CTR", counter: iv, length: 64 }, key, bytes);
    return {
        v: "v2",
        url: await upload(client, sealed, "application/octet-stream"),
        key: await crypto.subtle.exportKey("jwk", key),
        iv: base64Of(iv),
        hashes: { sha256: base64Of(new Uint8Array(await crypto.subtle.digest("SHA-256", sealed))) },
    };
}

/** Unpadded, as Matrix writes it. */
const base64Of = (bytes) => btoa(String.fromCharCode(...bytes)).replace(/=+$/, "");
