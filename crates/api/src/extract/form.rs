//! Forms with a file: `multipart/form-data`.

use actix_multipart::{Field, Multipart};
use actix_web::{
    FromRequest, HttpRequest, dev,
    error::PayloadError,
    http::header::{self, HeaderMap},
    web::Bytes,
};
use futures::{StreamExt, future::LocalBoxFuture, stream};
use serde::de::DeserializeOwned;

use super::{body, query};
use crate::{
    app::settings,
    error::{ApiError, Record},
};

/// More parts than this are refused.
const MAX_PARTS: usize = 1000;
/// The most bytes of a part that is not the file.
const MAX_TEXT: usize = 1024 * 1024;
/// The name of the part that is the file.
const FILE: &str = "file";
/// The parser copies what it is given through a buffer of 64 KiB.
const CHUNK: usize = 32 * 1024;

/// A form: its fields as a typed struct, read like a query string, and its file.
#[derive(Debug, Clone)]
pub(crate) struct FileForm<T> {
    /// All parts but the file.
    pub(crate) fields: T,
    /// What is in the part `file`.
    pub(crate) file: Bytes,
}

impl<T: DeserializeOwned + 'static> FromRequest for FileForm<T> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let limit = settings(request).body_limit;
        let content_type = request.headers().get(header::CONTENT_TYPE).cloned();
        let payload = payload.take();
        Box::pin(async move {
            // Read whole before it is taken apart, so that a form that is refused does not break the connection.
            let bytes = body::read(payload, limit).await?;
            let mut headers = HeaderMap::new();
            match content_type {
                Some(value) if value.as_bytes().to_ascii_lowercase().starts_with(b"multipart/form-data") => {
                    headers.insert(header::CONTENT_TYPE, value);
                }
                _ => return Err(no_file()),
            }
            parse(&headers, bytes).await
        })
    }
}

async fn parse<T: DeserializeOwned>(headers: &HeaderMap, mut bytes: Bytes) -> Result<FileForm<T>, ApiError> {
    let chunks = std::iter::from_fn(move || {
        let chunk = bytes.split_to(bytes.len().min(CHUNK));
        (!chunk.is_empty()).then_some(Ok::<_, PayloadError>(chunk))
    });
    let chunks = stream::iter(chunks);
    let mut form = Multipart::new(headers, chunks);
    let mut fields = query::Fields::default();
    let mut file = None;
    let mut parts = 0_usize;
    while let Some(part) = form.next().await {
        let mut part = part.map_err(|error| malformed(&error))?;
        parts = parts.saturating_add(1);
        if parts > MAX_PARTS {
            return Err(ApiError::bad_request(format!("The form has more than {MAX_PARTS} parts.")));
        }
        let name = part.name().unwrap_or_default().to_owned();
        if name == FILE {
            // The form as a whole is within the limit already.
            file = Some(bytes_of(&mut part, FILE, usize::MAX).await?);
            continue;
        }
        let text = bytes_of(&mut part, &name, MAX_TEXT).await?;
        let text = String::from_utf8(text.to_vec())
            .map_err(|_| Record::value(["body", &name], "The text is not valid UTF-8."))?;
        fields.add("body", &name, text)?;
    }
    let file = file.ok_or_else(no_file)?;
    Ok(FileForm { fields: fields.read("body")?, file })
}

async fn bytes_of(part: &mut Field, name: &str, limit: usize) -> Result<Bytes, ApiError> {
    let bytes = part.bytes(limit).await.map_err(|_| {
        ApiError::bad_request(format!("The part '{name}' of the form is larger than {limit} bytes. Only files may be."))
    })?;
    bytes.map_err(|error| malformed(&error))
}

fn malformed(error: &actix_multipart::MultipartError) -> ApiError {
    ApiError::bad_request(format!("The body could not be read as a form: {error}."))
}

fn no_file() -> ApiError {
    let mut record = Record::new("missing", ["body", FILE]);
    record.msg = "Field required. Send a multipart/form-data body with a part named 'file'.".to_owned();
    record.into()
}

#[cfg(test)]
mod tests {
    use actix_web::{http::header::HeaderValue, rt};
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Fields {
        name: Option<String>,
        overwrite: bool,
        tags: Vec<String>,
    }

    fn read(body: &str) -> Result<FileForm<Fields>, ApiError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("multipart/form-data; boundary=b"));
        let body = body.replace('\n', "\r\n");
        rt::System::new().block_on(parse(&headers, body.into()))
    }

    fn part(name: &str, text: &str) -> String {
        format!("--b\ncontent-disposition: form-data; name=\"{name}\"\n\n{text}\n")
    }

    fn file(text: &str) -> String {
        format!(
            "--b\ncontent-disposition: form-data; name=\"file\"; filename=\"a.af\"\ncontent-type: text/x\n\n{text}\n"
        )
    }

    #[test]
    fn a_form_is_a_file_and_typed_fields() {
        let body =
            [part("name", "Ada"), part("tags[]", "a"), file("{}"), part("tags[]", "b"), part("overwrite", "true")];
        let form = read(&(body.concat() + "--b--\n")).unwrap();
        assert_eq!((form.fields.name.as_deref(), form.fields.overwrite), (Some("Ada"), true));
        assert_eq!(form.fields.tags, ["a", "b"]);
        assert_eq!(form.file, "{}");
    }

    #[test]
    fn a_large_file_is_taken_whole() {
        let text = "x".repeat(300_000);
        assert_eq!(read(&(file(&text) + "--b--\n")).unwrap().file, text);
    }

    #[test]
    fn a_form_without_a_file_or_its_end_is_refused() {
        let message = |body: &str| match read(body) {
            Err(ApiError::Invalid(invalid)) => format!("{:?} {}", invalid.errors[0].loc, invalid.errors[0].msg),
            Err(error) => error.to_string(),
            Ok(form) => panic!("{form:?}"),
        };
        assert!(message(&(part("name", "Ada") + "--b--\n")).contains("Field required"));
        assert!(message(&file("{}")).contains("could not be read as a form"));
        assert!(message("nonsense").contains("could not be read as a form"));
        assert!(message(&(part("overwrite", "perhaps") + &file("") + "--b--\n")).contains("boolean"));
        let long = part("name", &"x".repeat(MAX_TEXT + 1)) + &file("") + "--b--\n";
        assert!(message(&long).contains("'name'"));
        let many = part("x", "").repeat(MAX_PARTS + 1) + &file("") + "--b--\n";
        assert!(message(&many).contains("1000 parts"));
    }
}
