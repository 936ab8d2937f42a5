//! Images of requests, brought in before anything is stored.

use std::time::Duration;

use muisti_managers::{
    Error, Settings, image,
    schema::{ApprovalEntry, ContentPart, ImageSource, InputMessage, MessageContent, ToolReturnPart, ToolReturnValue},
};
use muisti_testkit::{Backend, Receiver, Reply};
use serde_json::{Value, json};

use crate::support::World;

/// The smallest thing that begins like an image.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
const PNG_BASE64: &str = "iVBORw0KGgo=";

async fn world(allow_private_addresses: bool) -> World {
    World::on(Backend::Sqlite.fresh(), Settings { allow_private_addresses, ..Settings::default() }).await
}

fn shows(source: Value) -> InputMessage {
    let content = json!([{"type": "text", "text": "Look."}, {"type": "image", "source": source}]);
    serde_json::from_value(json!({"role": "user", "content": content})).unwrap()
}

fn at(url: &str) -> InputMessage {
    shows(json!({"type": "url", "url": url}))
}

/// The image of a message.
fn image_of(message: &InputMessage) -> &ImageSource {
    let InputMessage::Message(message) = message else { panic!() };
    let MessageContent::Parts(parts) = &message.content else { panic!() };
    let ContentPart::Image(image) = &parts[1] else { panic!() };
    &image.source
}

impl World {
    async fn bring_in(&self, message: InputMessage) -> Result<ImageSource, String> {
        let mut messages = [message];
        match image::bring_in(&self.services, &mut messages).await {
            Ok(()) => Ok(image_of(&messages[0]).clone()),
            Err(error @ Error::InvalidArgument(_)) => Err(error.to_string()),
            Err(other) => panic!("{other:?}"),
        }
    }
}

fn assert_is_kept(source: &ImageSource, media_type: &str, data: &str) {
    let ImageSource::Stored(image) = source else { panic!("{source:?}") };
    assert!(image.file_id.starts_with("file-"), "{}", image.file_id);
    assert_eq!((image.media_type.as_deref(), image.data.as_deref()), (Some(media_type), Some(data)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_message_shows_becomes_an_image_of_this_server() {
    let world = world(true).await;
    let receiver = Receiver::start();
    receiver.push(Reply::redirect("/real.png"));
    receiver.push(Reply::body("image/x-whatever", PNG));
    let fetched = world.bring_in(at(&receiver.url("/moved.png"))).await.unwrap();
    assert_is_kept(&fetched, "image/png", PNG_BASE64);
    assert_eq!(receiver.requests()[0].header("accept"), Some("image/*"));

    // Whatever image it is called, it is what its data says.
    let opened = world.bring_in(at(&format!("data:image/gif;base64,{PNG_BASE64}"))).await.unwrap();
    assert_is_kept(&opened, "image/png", PNG_BASE64);
    let given = json!({"type": "base64", "media_type": "image/jpeg", "data": PNG_BASE64, "detail": "low"});
    let given = world.bring_in(shows(given)).await.unwrap();
    assert_is_kept(&given, "image/png", PNG_BASE64);
    assert!(matches!(given, ImageSource::Stored(image) if image.detail.as_deref() == Some("low")));
    let named = json!({"type": "letta", "file_id": "file-1", "data": PNG_BASE64});
    assert_is_kept(&world.bring_in(shows(named)).await.unwrap(), "image/png", PNG_BASE64);
    let stored = json!({"type": "letta", "file_id": "file-1", "media_type": null, "data": null, "detail": null});
    let source = world.bring_in(shows(stored.clone())).await.unwrap();
    assert_eq!(serde_json::to_value(source).unwrap(), stored);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_tool_returned_stays_an_image_in_the_message() {
    let world = world(true).await;
    let receiver = Receiver::start();
    receiver.always(Reply::body("image/png", PNG));
    let image = json!({"type": "image", "source": {"type": "url", "url": receiver.url("/a.png")}});
    let tool = json!({"type": "tool", "tool_call_id": "c", "status": "success", "tool_return": [image]});
    let mut messages: Vec<InputMessage> = [
        json!({"type": "tool_return", "tool_returns": [tool]}),
        json!({"type": "approval", "approvals": [tool, {"type": "approval", "tool_call_id": "d", "approve": true}]}),
    ]
    .map(|message| serde_json::from_value(message).unwrap())
    .into();
    image::bring_in(&world.services, &mut messages).await.unwrap();
    let returned = messages.into_iter().map(|message| match message {
        InputMessage::ToolReturn(mut message) => message.tool_returns.remove(0).tool_return,
        InputMessage::Approval(approval) => match approval.entries().remove(0) {
            ApprovalEntry::Tool(tool) => tool.tool_return,
            ApprovalEntry::Approval(_) => panic!(),
        },
        InputMessage::Message(_) => panic!(),
    });
    for value in returned {
        let ToolReturnValue::Parts(parts) = value else { panic!() };
        let ToolReturnPart::Image(image) = &parts[0] else { panic!() };
        let expected = json!({"type": "base64", "media_type": "image/png", "data": PNG_BASE64, "detail": null});
        assert_eq!(serde_json::to_value(&image.source).unwrap(), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_schemes_are_refused_in_so_many_words() {
    let world = world(true).await;
    for (url, scheme) in [("file:///etc/passwd", "file"), ("FTP://example.com/a.png", "ftp"), ("/etc/passwd", "")] {
        let error = world.bring_in(at(url)).await.unwrap_err();
        let expected = format!(
            "INVALID_ARGUMENT: Unsupported image URL scheme '{scheme}'. Only 'http', 'https', and 'data' image URLs are \
             supported. Local file paths (file://) are not allowed."
        );
        assert_eq!(error, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_image_is_refused() {
    let world = world(true).await;
    let receiver = Receiver::start();
    let url = receiver.url("/a.png");
    for (reply, part) in [
        (Reply::body("text/html", "<html>"), "text/html"),
        (Reply::body("image/png", "<html>"), "no PNG, JPEG, GIF or WebP"),
        (Reply::status(404), "404"),
    ] {
        receiver.push(reply);
        let error = world.bring_in(at(&url)).await.unwrap_err();
        assert!(error.starts_with(&format!("INVALID_ARGUMENT: Failed to fetch image from {url}: ")), "{error}");
        assert!(error.contains(part), "{error}");
    }
    let long = "x".repeat(5_000);
    receiver.push(Reply::status(404));
    for url in [receiver.url(&format!("/{long}.png")), format!("data:image/png;base64{long}"), format!("{long}:x")] {
        let error = world.bring_in(at(&url)).await.unwrap_err();
        assert!(error.contains(&format!("{}…", &url[..200])) && error.len() < 500, "{error}");
    }
    for (source, part) in [
        (json!({"type": "base64", "media_type": "image/png", "data": "not base64!"}), "not base64"),
        (json!({"type": "base64", "media_type": "image/png", "data": ""}), "empty"),
        (json!({"type": "base64", "media_type": "text/html", "data": PNG_BASE64}), "'text/html'"),
        (json!({"type": "url", "url": "data:text/html;base64,PGI+"}), "'text/html'"),
        (json!({"type": "url", "url": "data:image/png"}), "no comma"),
        (json!({"type": "base64", "media_type": "image/png", "data": "aGVsbG8="}), "no PNG, JPEG, GIF or WebP"),
        (json!({"type": "letta", "file_id": "file-1", "data": "aGVsbG8="}), "no PNG, JPEG, GIF or WebP"),
        (json!({"type": "base64", "media_type": "image/tiff", "data": "SUkqAA=="}), "no PNG, JPEG, GIF or WebP"),
        (json!({"type": "url", "url": "data:image/svg+xml,%3Csvg%3E"}), "no PNG, JPEG, GIF or WebP"),
    ] {
        let error = world.bring_in(shows(source)).await.unwrap_err();
        assert!(error.contains(part), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_slow_once_is_asked_again() {
    let world = world(true).await;
    let receiver = Receiver::start();
    receiver.push(Reply::body("image/png", PNG).after(Duration::from_secs(7)));
    receiver.push(Reply::body("image/png", PNG));
    assert_is_kept(&world.bring_in(at(&receiver.url("/"))).await.unwrap(), "image/png", PNG_BASE64);
    assert_eq!(receiver.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn private_addresses_are_not_asked_unless_allowed() {
    let world = world(false).await;
    let receiver = Receiver::start();
    let error = world.bring_in(at(&receiver.url("/a.png"))).await.unwrap_err();
    assert!(error.contains("not a public address") && error.contains("--allow-private-addresses"), "{error}");
    assert!(receiver.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_has_so_many_images_at_most() {
    let world = world(true).await;
    let given = json!({"type": "base64", "media_type": "image/png", "data": PNG_BASE64});
    let mut many: Vec<InputMessage> = (0..51).map(|_| shows(given.clone())).collect();
    let error = image::bring_in(&world.services, &mut many).await.unwrap_err().to_string();
    assert!(error.contains("at most 50 images, not 51"), "{error}");
    image::bring_in(&world.services, &mut many[..50]).await.unwrap();
    assert!(matches!(image_of(&many[49]), ImageSource::Stored(_)));
}
