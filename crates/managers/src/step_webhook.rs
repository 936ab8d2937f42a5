//! The step webhook: the operator's own service hears of every step that has ended.

use std::{sync::Arc, time::Duration};

use muisti_orm::schema::StepId;
use serde_json::json;
use tokio::sync::Semaphore;

use crate::{outbound::Outbound, settings::StepWebhookSettings};

/// How long the service may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many posts may be under way. Beyond that steps are not told of: the service is down or too slow.
const AT_A_TIME: usize = 64;

/// Tells of steps, if anybody wants to hear of them. Nobody waits for it, and it is tried once.
#[derive(Debug, Clone, Default)]
pub struct StepWebhook(Option<Arc<Receiver>>);

#[derive(Debug)]
struct Receiver {
    settings: StepWebhookSettings,
    outbound: Outbound,
    slots: Arc<Semaphore>,
}

impl StepWebhook {
    pub(crate) fn new(settings: Option<StepWebhookSettings>) -> Self {
        let receiver = settings.map(|settings| {
            // The operator's own address may be a private one.
            Arc::new(Receiver { settings, outbound: Outbound::new(true), slots: Arc::new(Semaphore::new(AT_A_TIME)) })
        });
        Self(receiver)
    }

    /// Tells that a step has become a success, failed or cancelled. To be called on a runtime, once the end is stored.
    pub fn completed(&self, step: StepId) {
        let Some(receiver) = self.0.clone() else { return };
        let Ok(slot) = Arc::clone(&receiver.slots).try_acquire_owned() else {
            tracing::warn!(step_id = %step, "the step webhook is too slow: it was not told of a step");
            return;
        };
        tokio::spawn(async move {
            let StepWebhookSettings { url, key } = &receiver.settings;
            let body = json!({ "step_id": step }).to_string().into_bytes();
            match receiver.outbound.post(url, body, key.as_deref(), PATIENCE).await {
                Ok(status) if status < 400 => {}
                Ok(status) => tracing::warn!(step_id = %step, status, "the step webhook refused a step"),
                Err(error) => tracing::warn!(step_id = %step, %error, "the step webhook could not be told of a step"),
            }
            drop(slot);
        });
    }
}

#[cfg(test)]
mod tests {
    use muisti_testkit::Receiver;

    use super::*;

    fn webhook(receiver: &Receiver, key: Option<&str>) -> StepWebhook {
        let url = receiver.url("/steps");
        StepWebhook::new(Some(StepWebhookSettings { url, key: key.map(str::to_owned) }))
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_operators_service_is_told_of_a_step_with_its_key() {
        let receiver = Receiver::start();
        let step = StepId::random();
        webhook(&receiver, Some("word")).completed(step);
        let request = receiver.wait_for_requests(1).remove(0);
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/steps"));
        assert_eq!(request.body, json!({ "step_id": step }));
        assert_eq!(request.header("authorization"), Some("Bearer word"));
        webhook(&receiver, None).completed(step);
        assert_eq!(receiver.wait_for_requests(2)[1].header("authorization"), None);
    }

    #[test]
    fn without_a_service_nothing_is_told() {
        // There is no runtime here, so a task could not even be started.
        StepWebhook::default().completed(StepId::random());
    }
}
