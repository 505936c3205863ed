//! A picture on the homeserver, encrypted where the room is.

use std::{fmt, io::Cursor, sync::Arc};

use matrix_sdk::{Room, ruma::api::client::media::create_content};
use serde_json::{Value, json};

use crate::image::{Image, Thumbnail};

/// What clients show as the picture's name.
const FILE_NAME: &str = "cover.jpg";

/// A picture that was uploaded for one room. It can be sent there any number of times. Elsewhere it
/// must not be: where that room is encrypted and this one is not, it would be in clear there. It
/// prints as `***`, since it may hold the file's key.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture(Arc<Value>);

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Picture(***)")
    }
}

impl Picture {
    /// The event content, without text.
    pub(super) fn content(&self) -> Value {
        self.0.as_ref().clone()
    }

    #[cfg(test)]
    pub(super) fn for_test(source: Value) -> Self {
        Self::new(&described((1, 1), "image/jpeg", 1), source)
    }

    fn new(info: &Value, source: Value) -> Self {
        let mut content = json!({ "msgtype": "m.image", "filename": FILE_NAME, "info": info });
        merge(&mut content, source);
        Self(Arc::new(content))
    }
}

/// Uploads an image and its thumbnail.
pub(super) async fn upload(room: &Room, image: Image) -> matrix_sdk::Result<Picture> {
    let encrypted = room.latest_encryption_state().await?.is_encrypted();
    let mut info = described((image.width, image.height), &image.media_type, image.data.len());
    if let Some(blurhash) = &image.blurhash {
        // MSC2448, not stable yet.
        info["xyz.amorgan.blurhash"] = blurhash.as_str().into();
    }
    if let Some(Thumbnail { data, width, height }) = image.thumbnail {
        info["thumbnail_info"] = described((width, height), &image.media_type, data.len());
        let source = store(room, data, &image.media_type, encrypted).await?;
        merge(
            &mut info,
            json!({
                "thumbnail_url": source.get("url"), "thumbnail_file": source.get("file"),
            }),
        );
    }
    let source = store(room, image.data, &image.media_type, encrypted).await?;
    Ok(Picture::new(&info, source))
}

/// Puts bytes on the homeserver: `{"url":…}` in clear, `{"file":…}` encrypted.
async fn store(
    room: &Room,
    data: Vec<u8>,
    media_type: &str,
    encrypted: bool,
) -> matrix_sdk::Result<Value> {
    let client = room.client();
    if encrypted {
        let mut data = Cursor::new(data);
        let file = client.upload_encrypted_file(&mut data).await?;
        return Ok(json!({ "file": file }));
    }
    let mut request = create_content::v3::Request::new(data);
    request.content_type = Some(media_type.to_owned());
    let answer = client.send(request).await?;
    Ok(json!({ "url": answer.content_uri }))
}

fn described((width, height): (u32, u32), media_type: &str, size: usize) -> Value {
    json!({ "w": width, "h": height, "mimetype": media_type, "size": size })
}

/// Adds the fields that are there.
fn merge(target: &mut Value, fields: Value) {
    let Value::Object(fields) = fields else { return };
    for (key, value) in fields {
        if !value.is_null() {
            target[key] = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_says_what_it_is_and_where() {
        let content = Picture::for_test(json!({ "url": "mxc://x/1" })).content();
        assert_eq!(content["info"]["mimetype"], "image/jpeg");
        assert_eq!(
            (&content["filename"], &content["url"]),
            (&json!(FILE_NAME), &json!("mxc://x/1"))
        );
    }

    #[test]
    fn the_key_of_a_picture_does_not_print() {
        let picture = Picture::for_test(json!({ "file": { "key": { "k": "secret" } } }));
        assert_eq!(format!("{picture:?}"), "Picture(***)");
    }

    #[test]
    fn only_fields_that_are_there_are_added() {
        let mut info = json!({ "w": 1 });
        merge(
            &mut info,
            json!({ "thumbnail_url": null, "thumbnail_file": { "url": "mxc://x/2" } }),
        );
        assert_eq!(info, json!({ "w": 1, "thumbnail_file": { "url": "mxc://x/2" } }));
    }
}
