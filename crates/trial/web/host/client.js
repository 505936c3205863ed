// The Matrix client of this page: signing in, a device that is signed, and events in clear.
//
// The session is remembered in this origin's storage, so that a reload is the same device with the
// same keys and not one more ghost in the room.

import { createClient, ClientEvent, MatrixEventEvent, MemoryStore, SyncState } from "matrix-js-sdk";

/** Signs in as `{homeserver, user, password | token}` and resolves once the first sync is through. */
export async function signIn(account, onEvent) {
    const session = await resume(account) ?? await logIn(account);
    const client = createClient({ ...session, baseUrl: account.homeserver, store: new MemoryStore() });
    await client.initRustCrypto({ cryptoDatabasePrefix: `crypto ${session.userId} ${session.deviceId}` });
    await signDevice(client, account);
    followEvents(client, onEvent);
    await firstSync(client);
    return client;
}

const memory = ({ homeserver, user }) => `session ${homeserver} ${user}`;

/** The remembered or the given session, if the homeserver still knows it. */
async function resume(account) {
    const remembered = JSON.parse(localStorage.getItem(memory(account)) ?? "null");
    const accessToken = remembered?.accessToken ?? account.token;
    if (!accessToken) return undefined;
    try {
        const who = await createClient({ baseUrl: account.homeserver, accessToken }).whoami();
        return { userId: who.user_id, deviceId: who.device_id, accessToken };
    } catch (error) {
        if (error.errcode !== "M_UNKNOWN_TOKEN" || !account.password) throw error;
        return undefined;
    }
}

async function logIn(account) {
    const answer = await createClient({ baseUrl: account.homeserver }).loginRequest({
        type: "m.login.password",
        identifier: { type: "m.id.user", user: account.user },
        password: account.password,
        initial_device_display_name: "phonograph trial",
    });
    const session = { userId: answer.user_id, deviceId: answer.device_id, accessToken: answer.access_token };
    localStorage.setItem(memory(account), JSON.stringify(session));
    return session;
}

/** Makes an account's first device its signer. A later device stays unsigned: the keys are with the first. */
async function signDevice(client, { user, password }) {
    const crypto = client.getCrypto();
    if (await crypto.userHasCrossSigningKeys(client.getUserId(), true)) return;
    await crypto.bootstrapCrossSigning({
        authUploadDeviceSigningKeys: (upload) => upload(
            password ? { type: "m.login.password", identifier: { type: "m.id.user", user }, password } : null),
    });
}

/** Hands over every event once, and an encrypted one as soon as it can be read. */
function followEvents(client, onEvent) {
    const seen = new Set();
    const give = (event) => {
        if (event.isBeingDecrypted() || event.isDecryptionFailure()) return;       // comes again, as Decrypted
        if (event.isEncrypted() && !event.getClearContent()) return;
        const id = event.getId();
        if (!id?.startsWith("$") || seen.has(id)) return;                           // "~…" is a local echo
        seen.add(id);
        onEvent(event);
    };
    client.on(ClientEvent.Event, (event) => {
        client.decryptEventIfNeeded(event);
        give(event);
    });
    client.on(MatrixEventEvent.Decrypted, give);
}

async function firstSync(client) {
    const prepared = new Promise((resolve, reject) => client.on(ClientEvent.Sync, (state, _, data) => {
        if (state === SyncState.Prepared) resolve();
        if (state === SyncState.Error) reject(data?.error ?? new Error("sync failed"));
    }));
    await client.startClient({ initialSyncLimit: 50 });
    await prepared;
}
