//! The application: routes and layers, the same for the server and for the tests.

use std::{net::TcpListener, sync::Arc, time::Duration};

use actix_web::{
    App, Error, HttpRequest, HttpServer,
    body::MessageBody,
    dev::{Server, ServiceFactory, ServiceRequest, ServiceResponse},
    middleware::from_fn,
    web::{self, Data},
};

use tokio::runtime::Handle;
use tracing::Instrument;

pub use crate::layers::{Origins, Password};
use crate::{
    error::ApiError,
    layers,
    managers::{self, Services},
    openapi, routes,
};

/// What the operator decides about the HTTP face.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The version that the health check reports. Clients compare it with the versions of the API they know.
    pub version: String,
    /// What every request must bring, when given.
    pub password: Option<Password>,
    /// Whose web pages may read the answers.
    pub origins: Origins,
    /// Whether `Host` must be a name of this machine: for servers that listen on the loopback address only and have
    /// no password.
    pub guard_host: bool,
    /// More names that `Host` may have.
    pub allowed_hosts: Vec<String>,
    /// The most bytes of a body.
    pub body_limit: usize,
    /// How long a stream may be silent before a ping is sent; `None` for never.
    pub keepalive: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            version: REFERENCE_VERSION.to_owned(),
            password: None,
            origins: Origins::default(),
            guard_host: false,
            allowed_hosts: Vec::new(),
            body_limit: 64 * 1024 * 1024,
            keepalive: Some(Duration::from_secs(20)),
        }
    }
}

/// The release of the reference whose API this server speaks.
pub const REFERENCE_VERSION: &str = "0.16.8";

/// The runtime beside those of the HTTP workers, which ends later than they do.
///
/// What a request has begun and what must come to its end, even when the client has gone or the HTTP side stops, runs
/// there: a task of a worker's own runtime would share one thread with all that worker's requests, and die with it.
#[derive(Debug, Clone)]
pub(crate) struct Workers(Handle);

impl Workers {
    /// Does work there. It goes on when the returned future is dropped.
    pub(crate) async fn run<T, F>(&self, work: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, managers::Error>> + Send + 'static,
    {
        let work = self.0.spawn(work.in_current_span());
        let panicked = |error| managers::Error::Internal(format!("a task for a request ended: {error}"));
        Ok(work.await.map_err(panicked)??)
    }
}

/// The application, before it is served.
#[derive(Clone)]
pub struct Application {
    services: Data<Services>,
    settings: Data<Settings>,
    document: Data<openapi::Text>,
    workers: Data<Workers>,
}

impl Application {
    /// An application over these services, whose lasting work is done on the runtime that this is called on.
    #[must_use]
    pub fn new(services: Services, settings: Settings) -> Self {
        Self {
            services: Data::new(services),
            settings: Data::new(settings),
            document: Data::new(openapi::Text::new()),
            workers: Data::new(Workers(Handle::current())),
        }
    }

    /// The routes within their layers, for one worker of the server.
    fn app(
        &self,
    ) -> App<
        impl ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<impl MessageBody + use<>>,
            Error = Error,
            InitError = (),
        > + use<>,
    > {
        App::new()
            .app_data(self.services.clone())
            .app_data(self.settings.clone())
            .app_data(self.document.clone())
            .app_data(self.workers.clone())
            .configure(routes::routes)
            .configure(openapi::routes)
            .default_service(web::route().to(routes::not_found))
            // The last one is the outermost.
            .wrap(from_fn(layers::password))
            .wrap(from_fn(layers::host))
            .wrap(from_fn(layers::cors))
            .wrap(from_fn(layers::normalise_path))
            .wrap(from_fn(layers::access_log))
            .wrap(from_fn(layers::request_id))
    }

    /// Serves the application on a socket that listens already, with `workers` threads (0: one for each processor),
    /// until the returned server is stopped, which waits up to `grace` for what is being answered.
    ///
    /// # Errors
    /// When the socket cannot be used.
    pub fn serve(self, listener: TcpListener, workers: usize, grace: Duration) -> std::io::Result<Server> {
        let server = HttpServer::new(move || self.app())
            .disable_signals()
            .shutdown_timeout(grace.as_secs())
            // A client may think between two requests; one that is gone costs little.
            .keep_alive(Duration::from_secs(75))
            .client_request_timeout(Duration::from_secs(30));
        let server = if workers == 0 { server } else { server.workers(workers) };
        Ok(server.listen(listener)?.run())
    }
}

/// The settings of the application that serves this request.
pub(crate) fn settings(request: &HttpRequest) -> Arc<Settings> {
    request.app_data::<Data<Settings>>().map_or_else(Arc::default, |settings| settings.clone().into_inner())
}

/// The same, before the routing.
pub(crate) fn settings_of(request: &ServiceRequest) -> Arc<Settings> {
    request.app_data::<Data<Settings>>().map_or_else(Arc::default, |settings| settings.clone().into_inner())
}
