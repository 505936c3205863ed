//! Links of all kinds, from a server on loopback to what is found and opened.

use std::{fs, io::Read, path::Path, time::Duration};

use async_trait::async_trait;
use bytesize::ByteSize;
use phonograph_media::playback::MediaSource;

use super::*;
use crate::{
    command::{Host, Prefix, Reference},
    config::{self, Config},
    jukebox::{
        Resolver, Sound, Upload, Want,
        open::Supply,
        server::{Server, Then, reply},
        upload::{UploadError, Uploads},
    },
};

#[tokio::test]
async fn a_playlist_of_any_form_becomes_its_pieces() {
    for list in [
        "#EXTM3U\n#EXTINF:61,First\na.mp3\nhttp://b.example/\n",
        "[playlist]\nFile1=a.mp3\nTitle1=First\nLength1=61\nFile2=http://b.example/\n",
        "<?xml version=\"1.0\"?><playlist><trackList><track><location>a.mp3</location>\
         <title>First</title><duration>61000</duration></track>\
         <track><location>http://b.example/</location></track></trackList></playlist>",
    ] {
        let server = Server::start(|_| reply("", list.as_bytes())).await;
        let found = look(&server, "/lists/x").await.unwrap();
        assert!(found.opened.is_none() && !found.is_cut && found.title.is_none());
        let first = Item {
            title: Title::new("First"),
            origin: Origin::Link(server.url("/lists/a.mp3")),
            duration: Some(Duration::from_secs(61)),
        };
        assert_eq!(found.items[0], first);
        assert_eq!(found.items[1].title.to_string(), "b.example");
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_playlist_is_called_as_it_calls_itself() {
    for list in [
        "#EXTM3U\n#PLAYLIST:Slow\u{202e} \t evening\na.mp3\nb.m3u\n",
        "<playlist><title>Slow\u{202e}\n evening</title><trackList><track>\
         <location>a.mp3</location></track></trackList></playlist>",
    ] {
        let server = Server::start(move |request| match path(request) {
            "/b.m3u" => reply("", b"#EXTM3U\n#PLAYLIST:Inner\nc.mp3\n"),
            _ => reply("", list.as_bytes()),
        })
        .await;
        let found = look(&server, "/x").await.unwrap();
        assert_eq!(found.title, Some(Title::new("Slow evening")));
    }
}

#[tokio::test]
async fn lists_in_lists_are_put_in_their_place() {
    let server = Server::start(|request| match path(request) {
        "/top.m3u" => reply("", b"#EXTM3U\n/1.mp3\n/inner.pls\n/4.mp3\n"),
        "/inner.pls" => reply("", b"[playlist]\nFile1=/2.mp3\nFile2=/3.mp3\n"),
        other => panic!("{other}"),
    })
    .await;
    let found = look(&server, "/top.m3u").await.unwrap();
    let titles: Vec<_> = found.items.iter().map(|item| item.title.to_string()).collect();
    assert_eq!(titles, ["1", "2", "3", "4"]);
}

#[tokio::test]
async fn bad_lists_are_told_in_a_sentence() {
    let deeper = |request: &str| {
        let depth = path(request).len();
        reply("", format!("#EXTM3U\n/{}.m3u\n", "x".repeat(depth)).as_bytes())
    };
    let cases: [(&str, Answer, &str); 4] = [
        ("of itself", |_| reply("", b"#EXTM3U\n/x\n"), "The playlist “x” leads to itself"),
        (
            "of files",
            |_| reply("", b"#EXTM3U\nfile:///etc/passwd\n"),
            "There is nothing in the playlist “x”",
        ),
        ("empty", |_| reply("", b"[playlist]\n"), "There is nothing in the playlist “x”"),
        (
            "packed",
            |_| reply("content-encoding: gzip\r\n", b"\x1f\x8b"),
            "127.0.0.1 packs its answer",
        ),
    ];
    for (name, answer, expected) in cases {
        let server = Server::start(answer).await;
        let said = say(look(&server, "/x").await);
        assert!(said.starts_with(expected), "{name}: {said}");
    }
    let server = Server::start(deeper).await;
    assert!(say(look(&server, "/x.m3u").await).contains("leads to itself or through too many"));
    assert_eq!(server.requests().len(), DEPTH_MAX);
}

#[tokio::test]
async fn a_list_without_end_is_read_to_a_limit() {
    let server =
        Server::start(|_| reply("", "http://a.example/1.mp3\n".repeat(1_000_000).as_bytes()));
    let server = server.await;
    let found = look(&server, "/endless.m3u").await.unwrap();
    assert_eq!((found.items.len(), found.is_cut), (ITEMS_MAX, true));
}

#[tokio::test]
async fn a_list_that_trickles_is_too_slow() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n#EXTM3U\nhttp";
    let server = Server::start(|_| head.to_vec()).await;
    let said = say(look(&server, "/slow.m3u").await);
    assert!(said.starts_with("127.0.0.1 sends too slowly"), "{said}");
}

#[tokio::test]
async fn pieces_of_a_list_are_guarded_as_links_are() {
    let moved = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.2/\r\ncontent-length: 0\r\n\r\n";
    let server = Server::start(|request| match path(request) {
        "/list.m3u" => {
            reply("", b"#EXTM3U\n/inside\nhttp://localhost:1/\nhttp://[::ffff:10.0.0.1]/\n")
        }
        _ => moved.to_vec(),
    })
    .await;
    let resolver = resolver(|_| ());
    let found = resolver.find(link(&server, "/list.m3u")).await.unwrap();
    assert_eq!(found.items.len(), 3);
    for item in &found.items {
        let said = say(resolver.open(item).await);
        assert!(said.contains("in a private network"), "{said}");
    }
}

#[tokio::test]
async fn a_list_is_played_by_the_first_link_that_can_be() {
    let wav = fs::read(asset("tones.wav")).unwrap();
    let server = Server::start(move |request| match path(request) {
        "/list" => reply("", b"#EXTM3U\n/gone\n/again\n"),
        "/again" => reply("", b"[playlist]\nFile1=/list\nFile2=/tones.wav\n"),
        "/tones.wav" => reply("", &wav),
        _ => b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec(),
    })
    .await;
    let item = item(&server, "/list");
    let source = resolver(|_| ()).open(&item).await.unwrap();
    assert_eq!(codec(source).await, "pcm_s16le");
}

#[tokio::test]
async fn a_tree_of_lists_is_given_up_before_it_is_seen_all() {
    let server = Server::start(|request| {
        let here = path(request).len();
        let links: Vec<_> = (0..9).map(|n| format!("/{}{n}", "x".repeat(here))).collect();
        let list = links.join("\n");
        reply("", format!("#EXTM3U\n{list}").as_bytes())
    })
    .await;
    let said = say(resolver(|_| ()).open(&item(&server, "/")).await);
    assert!(said.contains("through too many others"), "{said}");
    assert_eq!(server.requests().len(), LISTS_MAX + 1);
}

#[tokio::test]
async fn a_link_to_music_is_asked_for_once() {
    let mp3 = fs::read(asset("tones.mp3")).unwrap();
    let server = Server::start(move |_| reply("", &mp3)).await;
    let found = look(&server, "/tones.mp3").await.unwrap();
    assert_eq!(found.items[0].title.to_string(), "tones");
    assert_eq!(codec(found.opened.unwrap()).await, "mp3");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn segments_play_as_one_piece() {
    let mp3 = fs::read(asset("tones.mp3")).unwrap();
    let (first, second) = mp3.split_at(mp3.len() / 2);
    let (first, second) = (first.to_vec(), second.to_vec());
    let server = Server::start(move |request| match path(request) {
        "/index.m3u8" => reply(
            "content-type: application/vnd.apple.mpegurl\r\n",
            b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n/1.mp3\n#EXTINF:2,\n/2.mp3\n#EXT-X-ENDLIST\n",
        ),
        "/1.mp3" => reply("", &first),
        _ => reply("", &second),
    })
    .await;
    let found = look(&server, "/index.m3u8").await.unwrap();
    assert_eq!(found.items, [item(&server, "/index.m3u8")]);
    let (read, whole) = (played(found.opened.unwrap()).await, played_bytes(mp3).await);
    assert_eq!(read, whole);
}

#[tokio::test]
async fn a_station_that_is_cut_plays_on() {
    let mp3 = fs::read(asset("tones.mp3")).unwrap();
    let whole = played_bytes(mp3.clone()).await;
    let cut = mp3.len() / 2;
    let parts = [mp3[..cut].to_vec(), mp3[cut..].to_vec(), Vec::new()];
    let count = std::sync::atomic::AtomicUsize::new(0);
    let server = Server::start_and(Then::Close, move |_| {
        let nth = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed).min(2);
        // The third time it changes its format, which ends it.
        let kind = ["audio/mpeg", "audio/mpeg", "audio/ogg"][nth];
        let head = format!("HTTP/1.0 200 OK\r\nicy-name: Z\r\ncontent-type: {kind}\r\n\r\n");
        [head.as_bytes(), &parts[nth]].concat()
    })
    .await;
    let found = look(&server, "/").await.unwrap();
    let heard = played(found.opened.unwrap()).await;
    assert!(heard + Duration::from_millis(100) > whole, "{heard:?} of {whole:?}");
}

#[tokio::test]
async fn a_feed_is_its_latest_episode_or_the_one_asked_for() {
    let feed = "<rss version=\"2.0\"><channel><title>Show</title>\
        <item><title>Two</title><enclosure url=\"/2.mp3\" type=\"audio/mpeg\"/></item>\
        <item><title>One</title><enclosure url=\"/1.mp3\" type=\"audio/mpeg\"/></item>";
    let server = Server::start(|request| match path(request) {
        "/feed" => reply("content-type: application/rss+xml\r\n", feed.as_bytes()),
        _ => reply("", b"ID3 and so on"),
    })
    .await;
    let resolver = resolver(|_| ());
    let found = resolver.find(link(&server, "/feed")).await.unwrap();
    assert_eq!(found.items[0].title.to_string(), "Show – Two");
    let first = resolver.podcast(&server.url("/feed"), &Episode::Number(2)).await.unwrap();
    assert_eq!(first.origin, Origin::Link(server.url("/1.mp3")));
    let said = say(resolver.podcast(&server.url("/feed"), &Episode::Title("x".to_owned())).await);
    assert!(said.starts_with("“Show” has no episode “x”"), "{said}");
    let said = say(resolver.podcast(&server.url("/1.mp3"), &Episode::Latest).await);
    assert!(said.starts_with("I find no podcast at that link"), "{said}");
}

#[tokio::test]
async fn a_program_finds_what_plays_and_the_link_stays_what_was_asked_for() {
    let mp3 = fs::read(asset("tones.mp3")).unwrap();
    let server = Server::start(move |_| reply("", &mp3)).await;
    let script = format!("echo title Found; echo duration 9; echo link {}", server.url("/x"));
    let resolver = resolver(|config| config.programs = vec![program(&script)]);
    let page: Url = "https://video.example/watch?v=1".parse().unwrap();
    let found = resolver.find(Want::Link(page.clone())).await.unwrap();
    let item = Item {
        title: Title::new("Found"),
        origin: Origin::Link(page),
        duration: Some(Duration::from_secs(9)),
    };
    assert_eq!(found.items[0], item);
    assert_eq!(codec(found.opened.unwrap()).await, "mp3");
    assert_eq!(codec(resolver.open(&item).await.unwrap()).await, "mp3");
}

#[tokio::test]
async fn what_a_program_prints_is_guarded_as_links_are() {
    let server = Server::start(|_| panic!()).await;
    let port = server.url("/").port().unwrap();
    let script = format!("echo link http://localhost:{port}/");
    let resolver = resolver(|config| config.programs = vec![program(&script)]);
    let page = "https://video.example/".parse().unwrap();
    let said = say(resolver.find(Want::Link(page)).await);
    assert!(said.starts_with("I don't open localhost"), "{said}");
}

#[tokio::test]
async fn nothing_leads_to_a_host_that_the_room_bars() {
    let moved =
        b"HTTP/1.1 302 Found\r\nlocation: http://ads.example.org/\r\ncontent-length: 0\r\n\r\n";
    let server = Server::start(|request| match path(request) {
        "/list" => reply("", b"#EXTM3U\n/moved\n"),
        "/lists" => reply("", b"#EXTM3U\nhttp://ads.example.org/x.m3u\n"),
        "/feed" => reply(
            "content-type: application/rss+xml\r\n",
            b"<rss><channel><title>S</title><item><enclosure url=\"/moved\"/></item>",
        ),
        "/variants" => reply(
            "",
            b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=64000\nhttp://cdn.ads.example.org/v.m3u8\n",
        ),
        "/segments" => reply(
            "",
            b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nhttp://ads.example.org/1.mp3\n\
              #EXT-X-ENDLIST\n",
        ),
        _ => moved.to_vec(),
    })
    .await;
    let script = format!("echo link {}", server.url("/moved"));
    let barred = Barred::from_iter(&Host::new("ads.example.org"));
    let resolver = resolver(|config| config.programs = vec![program(&script)]).barring(barred);

    let page = "https://video.example/".parse().unwrap();
    let mut said = vec![say(resolver.find(Want::Link(page)).await)];
    for path in ["/moved", "/lists", "/variants"] {
        said.push(say(resolver.find(link(&server, path)).await));
    }
    for path in ["/list", "/feed"] {
        let found = resolver.find(link(&server, path)).await.unwrap();
        said.push(say(resolver.open(&found.items[0]).await));
    }
    let found = resolver.find(link(&server, "/segments")).await.unwrap();
    let open = move || found.opened.unwrap().open_at(SOUND, Duration::ZERO);
    said.push(say(tokio::task::spawn_blocking(open).await.unwrap()));
    for said in said {
        let host = if said.contains("cdn.") { "cdn.ads.example.org" } else { "ads.example.org" };
        assert_eq!(said, format!("Links to {host} are blocked. Try another one."));
    }
}

#[tokio::test]
async fn several_links_of_a_program_are_pieces_of_their_own() {
    let script = "echo title A; echo link http://a.example/; echo link http://b.example/";
    let resolver = resolver(|config| config.programs = vec![program(script)]);
    let page = "https://video.example/list".parse().unwrap();
    let found = resolver.find(Want::Link(page)).await.unwrap();
    let titles: Vec<_> = found.items.iter().map(|item| item.title.to_string()).collect();
    assert_eq!(titles, ["A", "b.example"]);
}

#[tokio::test]
async fn uploads_are_downloaded_within_the_limit_of_links() {
    struct Media;
    #[async_trait]
    impl Uploads for Media {
        async fn download(
            &self,
            upload: &Upload,
            size_max: ByteSize,
        ) -> Result<Box<dyn MediaSource>, UploadError> {
            match upload.size {
                Some(size) if size > size_max.as_u64() => {
                    Err(UploadError::TooBig { size: ByteSize(size), size_max })
                }
                _ => Ok(Box::new(std::io::Cursor::new(b"sound".to_vec()))),
            }
        }
    }
    let upload = |size| Item {
        title: Title::new("x"),
        origin: Origin::Upload(Upload { content: serde_json::Value::Null, size: Some(size) }),
        duration: None,
    };
    let resolver = resolver(|_| ());
    let said = say(resolver.open(&upload(5)).await);
    assert!(said.starts_with("Something went wrong"), "{said}");
    let resolver = resolver.with_uploads(std::sync::Arc::new(Media));
    let mut read = Vec::new();
    resolver.open(&upload(5)).await.unwrap().media.read_to_end(&mut read).unwrap();
    assert_eq!(read, b"sound");
    let said = say(resolver.open(&upload(2 << 30)).await);
    assert!(said.starts_with("That file is too big"), "{said}");
}

const SOUND: Sound = Sound { even_loudness: false };

/// What a server makes of a request.
type Answer = fn(&str) -> Vec<u8>;

async fn look(server: &Server, path: &str) -> Result<Found, PlayError> {
    resolver(|_| ()).find(link(server, path)).await
}

fn resolver(change: impl FnOnce(&mut Config)) -> Resolver {
    let mut config = Config::example();
    config.links.allow_hosts = vec!["127.0.0.1".to_owned()];
    config.links.patience = Duration::from_secs(1);
    change(&mut config);
    Resolver::of(&config)
}

fn link(server: &Server, path: &str) -> Want {
    Want::Link(server.url(path))
}

fn item(server: &Server, path: &str) -> Item {
    let url = server.url(path);
    Item { title: name(&url), origin: Origin::Link(url), duration: None }
}

fn program(script: &str) -> config::Program {
    let command = ["sh", "-c", script].map(str::to_owned).into();
    let pattern = "*.video.example".to_owned();
    config::Program { pattern, command, timeout: Duration::from_secs(20) }
}

/// What a room is told about a failure.
fn say<T>(result: Result<T, PlayError>) -> String {
    let error = result.err().expect("it fails");
    error.reply(Reference::random()).text(&Prefix::default())
}

async fn codec(source: Source) -> String {
    let open = move || source.open_at(SOUND, Duration::ZERO);
    let opened = tokio::task::spawn_blocking(open).await.unwrap().unwrap();
    opened.deck.info().codec.clone()
}

/// How long a source sounds up to its end or its failure.
async fn played(source: Source) -> Duration {
    let play = move || {
        let opened = source.open_at(SOUND, Duration::ZERO).unwrap();
        let Supply::Reader(mut reader) = opened.supply else { panic!("a reader") };
        let mut heard = Duration::ZERO;
        while let Ok(batch) = reader.read_ahead() {
            heard += batch.duration();
            if batch.is_last() {
                break;
            }
        }
        drop(opened.follow);
        heard
    };
    tokio::task::spawn_blocking(play).await.unwrap()
}

async fn played_bytes(file: Vec<u8>) -> Duration {
    let server = Server::start(move |_| reply("", &file)).await;
    played(look(&server, "/whole").await.unwrap().opened.unwrap()).await
}

fn asset(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/trial").join(name)
}

fn path(request: &str) -> &str {
    request.split(' ').nth(1).unwrap()
}
