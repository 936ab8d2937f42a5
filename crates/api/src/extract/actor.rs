//! On whose behalf a request runs.

use actix_web::{FromRequest, HttpRequest, dev::Payload, web::Data};
use futures::future::LocalBoxFuture;

use crate::{
    error::ApiError,
    managers::{Actor, Error, Services, schema::UserId},
};

/// The user whom the `user_id` header names, or the default user.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestActor(pub(crate) Actor);

impl FromRequest for RequestActor {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let services = request.app_data::<Data<Services>>().cloned();
        let user = match request.headers().get("user_id") {
            None => Ok(None),
            Some(value) => String::from_utf8_lossy(value.as_bytes()).parse::<UserId>().map(Some),
        };
        Box::pin(async move {
            let user = user.map_err(Error::from)?;
            let services = services.ok_or_else(ApiError::unknown)?;
            Ok(Self(services.actor(user).await?))
        })
    }
}
