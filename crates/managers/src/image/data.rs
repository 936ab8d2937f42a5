//! What the bytes of an image say that they are, and images within addresses.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use muisti_orm::schema::Base64Image;

use crate::outbound::Fetched;

/// What a `data:` address is of when it does not say.
const UNNAMED: &str = "image/jpeg";

pub(super) fn is_image_type(name: &str) -> bool {
    name.split_once('/').is_some_and(|(kind, rest)| kind.eq_ignore_ascii_case("image") && !rest.is_empty())
}

/// The media type of an image that models read, by how its bytes begin.
pub(super) fn kind(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

/// The kind of image that something fetched is: the header must not say that it is something else, and the bytes must
/// be those of an image that models read.
pub(super) fn media_type(fetched: &Fetched) -> Result<&'static str, String> {
    let says = fetched.media_type.as_deref().filter(|says| *says != "application/octet-stream");
    if let Some(other) = says.filter(|says| !is_image_type(says)) {
        return Err(format!("the server answered with {other}, which is not an image"));
    }
    kind(&fetched.body).ok_or_else(|| "what the server answered is no PNG, JPEG, GIF or WebP image".to_owned())
}

/// The image within `data:[<media type>][;base64],<data>`.
pub(super) fn open(url: &str) -> Result<Base64Image, &'static str> {
    let (head, data) = url.split_once(',').ok_or("there is no comma before its data")?;
    let head = head.split_once(':').map_or(head, |(_, rest)| rest);
    let mut members = head.split(';').map(str::trim);
    let media_type = members.next().filter(|name| !name.is_empty()).unwrap_or(UNNAMED).to_ascii_lowercase();
    let plain: Vec<u8> = percent_encoding::percent_decode_str(data).collect();
    let data = if members.any(|member| member.eq_ignore_ascii_case("base64")) {
        let text: Vec<u8> = plain.into_iter().filter(|byte| !byte.is_ascii_whitespace()).collect();
        String::from_utf8(text).map_err(|_| "its data is not base64")?
    } else {
        STANDARD.encode(plain)
    };
    Ok(Base64Image { media_type, data, detail: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fetched(media_type: Option<&str>, body: &[u8]) -> Fetched {
        Fetched { media_type: media_type.map(str::to_owned), body: body.to_vec() }
    }

    #[test]
    fn the_bytes_say_what_an_image_is() {
        for (bytes, name) in [
            (&b"\x89PNG\r\n\x1a\n.."[..], "image/png"),
            (b"\xff\xd8\xff\xe0..", "image/jpeg"),
            (b"GIF89a..", "image/gif"),
            (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        ] {
            assert_eq!(media_type(&fetched(None, bytes)), Ok(name));
            assert_eq!(media_type(&fetched(Some("application/octet-stream"), bytes)), Ok(name));
            // Servers are often wrong about which image it is.
            assert_eq!(media_type(&fetched(Some("image/x-other"), bytes)), Ok(name));
            assert!(media_type(&fetched(Some("text/html"), bytes)).unwrap_err().contains("text/html"));
        }
        for bytes in [&b""[..], b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"<html>", b"RIFF\0\0\0\0WAVE"] {
            assert!(media_type(&fetched(Some("image/png"), bytes)).is_err());
        }
    }

    #[test]
    fn an_image_within_an_address_is_opened() {
        let opened = |url| open(url).map(|image| (image.media_type, image.data));
        let image = |media_type: &str, data: &str| Ok((media_type.to_owned(), data.to_owned()));
        assert_eq!(opened("data:image/png;base64,iVBORw0KGgo="), image("image/png", "iVBORw0KGgo="));
        assert_eq!(opened("data:;base64,/9j/"), image("image/jpeg", "/9j/"));
        assert_eq!(opened("data:Image/GIF;charset=x;BASE64,R0lG%0AODlh"), image("image/gif", "R0lGODlh"));
        assert_eq!(opened("data:image/svg+xml,%3Csvg%3E"), image("image/svg+xml", "PHN2Zz4="));
        assert!(open("data:image/png;base64").is_err());
    }
}
