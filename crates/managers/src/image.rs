//! Images in requests: brought in when the request is accepted, so that a history never depends on other servers.
//!
//! [`bring_in`] is for everything that a request may carry. What a client's message shows is stored as an image of this
//! server, what a client's tool returned stays an image in the message itself; neither is an address any more.

mod data;

use std::{
    borrow::Cow,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::{TryStreamExt as _, stream};
use muisti_orm::schema::{
    ApprovalEntry, Base64Image, ContentPart, FileId, ImageSource, InputMessage, MessageContent, MessageCreate,
    StoredImage, ToolReturnPart, ToolReturnValue, UrlImage,
};

use crate::{
    Error, Result, Services,
    outbound::{Fetched, Outbound, OutboundError},
};

/// The most images of one request.
const MAX_IMAGES: usize = 50;
/// The most bytes of all images of one request, as base64.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// The most bytes of one image that is fetched.
const MAX_FETCHED: usize = 20 * 1024 * 1024;
/// How long one image may take.
const FETCH_TIME: Duration = Duration::from_secs(5);
/// How much of an address is quoted.
const SHOWN: usize = 200;
/// How many are fetched at a time.
const AT_A_TIME: usize = 4;

/// An image of a request, and whether it is shown by a message rather than returned by a tool.
struct Found<'a> {
    source: &'a mut ImageSource,
    in_message: bool,
}

/// Brings in the images of messages and of the returns of client tools: addresses are fetched, `data:` addresses
/// opened, and what messages show gets an id.
///
/// # Errors
/// 400 for too many or too large images, for an address that is not one of an image or cannot be fetched, and for data
/// that is not that of an image which models read.
pub async fn bring_in(services: &Services, messages: &mut [InputMessage]) -> Result<()> {
    bring_in_all(services, messages.iter_mut().flat_map(images_of).collect()).await
}

/// [`bring_in`] for the messages with which an agent begins.
///
/// # Errors
/// As there.
pub(crate) async fn bring_in_shown(services: &Services, messages: &mut [MessageCreate]) -> Result<()> {
    bring_in_all(services, messages.iter_mut().flat_map(|message| images_of_content(&mut message.content)).collect())
        .await
}

async fn bring_in_all(services: &Services, found: Vec<Found<'_>>) -> Result<()> {
    if found.len() > MAX_IMAGES {
        let many = found.len();
        return Err(Error::InvalidArgument(format!("One request carries at most {MAX_IMAGES} images, not {many}.")));
    }
    let (outbound, total) = (services.outbound(), &AtomicUsize::new(0));
    stream::iter(found.into_iter().map(Ok))
        .try_for_each_concurrent(AT_A_TIME, |image| async move {
            // A request that is refused is not looked at again, so nothing is lost that has to be kept.
            let source = std::mem::replace(image.source, ImageSource::Url(UrlImage { url: String::new() }));
            let brought = brought_in(outbound, source).await?;
            let bytes = data_of(&brought).map_or(0, str::len);
            if total.fetch_add(bytes, Ordering::Relaxed) + bytes > MAX_BYTES {
                return Err(Error::InvalidArgument(format!(
                    "The images of one request may have {} MiB together, counted as base64. Send fewer, or \
                     smaller ones.",
                    MAX_BYTES / (1024 * 1024)
                )));
            }
            *image.source = if image.in_message { kept(brought) } else { brought };
            Ok(())
        })
        .await
}

fn images_of(message: &mut InputMessage) -> Vec<Found<'_>> {
    match message {
        InputMessage::Message(message) => images_of_content(&mut message.content),
        InputMessage::Approval(approval) => {
            let entries = approval.approvals.iter_mut().flatten();
            let returns = entries.filter_map(|entry| match entry {
                ApprovalEntry::Tool(tool) => Some(&mut tool.tool_return),
                ApprovalEntry::Approval(_) => None,
            });
            returns.flat_map(images_of_return).collect()
        }
        InputMessage::ToolReturn(message) => {
            message.tool_returns.iter_mut().flat_map(|tool| images_of_return(&mut tool.tool_return)).collect()
        }
    }
}

fn images_of_content(content: &mut MessageContent) -> Vec<Found<'_>> {
    match content {
        MessageContent::Text(_) => Vec::new(),
        MessageContent::Parts(parts) => {
            let images = parts.iter_mut().filter_map(|part| match part {
                ContentPart::Image(image) => Some(Found { source: &mut image.source, in_message: true }),
                _ => None,
            });
            images.collect()
        }
    }
}

fn images_of_return(value: &mut ToolReturnValue) -> Vec<Found<'_>> {
    match value {
        ToolReturnValue::Text(_) => Vec::new(),
        ToolReturnValue::Parts(parts) => {
            let images = parts.iter_mut().filter_map(|part| match part {
                ToolReturnPart::Image(image) => Some(Found { source: &mut image.source, in_message: false }),
                ToolReturnPart::Text(_) => None,
            });
            images.collect()
        }
    }
}

fn data_of(source: &ImageSource) -> Option<&str> {
    match source {
        ImageSource::Base64(image) => Some(&image.data),
        ImageSource::Stored(image) => image.data.as_deref(),
        ImageSource::Url(_) => None,
    }
}

/// The image as one of this server.
fn kept(source: ImageSource) -> ImageSource {
    match source {
        ImageSource::Base64(image) => ImageSource::Stored(StoredImage {
            file_id: FileId::random().to_string(),
            media_type: Some(image.media_type),
            data: Some(image.data),
            detail: image.detail,
        }),
        other => other,
    }
}

async fn brought_in(outbound: &Outbound, source: ImageSource) -> Result<ImageSource> {
    match source {
        ImageSource::Url(image) => at_address(outbound, image.url).await.map(Into::into),
        source => aside(move || checked(source)).await,
    }
}

/// Does what takes long with megabytes where it keeps nobody else waiting.
pub(crate) async fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::Internal(format!("an image was not read: {error}")))?
}

/// The image itself, if it is one, called what it is.
fn checked(mut source: ImageSource) -> Result<ImageSource> {
    match &mut source {
        ImageSource::Base64(image) => check(image).map_err(Error::InvalidArgument)?,
        ImageSource::Stored(StoredImage { data: Some(data), media_type, .. }) => {
            *media_type = Some(kind_of(media_type.as_deref(), data).map_err(Error::InvalidArgument)?.to_owned());
        }
        ImageSource::Stored(_) | ImageSource::Url(_) => {}
    }
    Ok(source)
}

/// Calls an image what its data says that it is.
///
/// # Errors
/// A sentence on what it is instead of an image.
pub(crate) fn check(image: &mut Base64Image) -> Result<(), String> {
    kind_of(Some(&image.media_type), &image.data)?.clone_into(&mut image.media_type);
    Ok(())
}

/// The media type that the data of an image says. A history with something else in the place of an image would be
/// refused by the model for ever.
fn kind_of(called: Option<&str>, data: &str) -> Result<&'static str, String> {
    if let Some(other) = called.filter(|name| !data::is_image_type(name)) {
        let other = shown(other);
        return Err(format!("The media type of an image is '{other}', but it must be one such as image/png."));
    }
    let bytes = STANDARD.decode(data).map_err(|error| format!("The data of an image is not base64: {error}."))?;
    if bytes.is_empty() {
        return Err("The data of an image is empty.".to_owned());
    }
    data::kind(&bytes).ok_or_else(|| "The data of an image is no PNG, JPEG, GIF or WebP image.".to_owned())
}

/// The media type that the beginning of an image says: none if it is not one that models read.
pub(crate) fn media_type(data: &str) -> Option<&'static str> {
    /// Enough of base64 for the longest beginning.
    const BEGINNING: usize = 16;
    let beginning = data.as_bytes();
    data::kind(&STANDARD.decode(beginning.get(..BEGINNING).unwrap_or(beginning)).ok()?)
}

async fn at_address(outbound: &Outbound, url: String) -> Result<Base64Image> {
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme).to_ascii_lowercase();
    match scheme.as_str() {
        "data" => aside(move || within(&url)).await,
        "http" | "https" => {
            let failed =
                |why: String| Error::InvalidArgument(format!("Failed to fetch image from {}: {why}", shown(&url)));
            let fetched = fetch(outbound, &url).await.map_err(|error| failed(error.to_string()))?;
            let media_type = data::media_type(&fetched).map_err(failed)?.to_owned();
            aside(move || Ok(Base64Image { media_type, data: STANDARD.encode(fetched.body), detail: None })).await
        }
        other => Err(Error::InvalidArgument(format!(
            "Unsupported image URL scheme '{}'. Only 'http', 'https', and 'data' image URLs are supported. Local \
             file paths (file://) are not allowed.",
            shown(other)
        ))),
    }
}

/// The image within a `data:` address.
fn within(url: &str) -> Result<Base64Image> {
    let mut image = data::open(url)
        .map_err(|why| Error::InvalidArgument(format!("The image '{}' cannot be read: {why}.", shown(url))))?;
    check(&mut image).map_err(Error::InvalidArgument)?;
    Ok(image)
}

/// A text of the request as a sentence quotes it: an address may be as long as an image.
fn shown(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default())),
        None => Cow::Borrowed(text),
    }
}

/// Fetches, once more when the first time took too long.
async fn fetch(outbound: &Outbound, url: &str) -> Result<Fetched, OutboundError> {
    let attempt = || outbound.get(url, "image/*", MAX_FETCHED, FETCH_TIME);
    match attempt().await {
        Err(OutboundError::Timeout(_)) => attempt().await,
        other => other,
    }
}
