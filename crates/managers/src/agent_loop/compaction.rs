//! Compaction: the older messages of a history that outgrows the model's window give way to a summary of them.
//!
//! What they said stays stored, listed and searchable; only the context changes, to
//! `[system, summary, the rest]`. Nothing that fails here can make an agent unusable: where no model can write a
//! summary, the oldest messages leave without one, and the summary's place says so.
//!
//! - `estimate`: how many tokens there are. `plan`: which messages leave.
//! - `transcript`, `summarise`: having a model write the summary. `summary`: the message that it becomes.
//! - `manual`: the endpoints.

mod estimate;
mod manual;
mod plan;
mod summarise;
mod summary;
mod transcript;

use muisti_llm::{LlmError, ToolSpec, Usage};
use muisti_orm::{
    Conn,
    agents::AgentRow,
    histories::{self, HistoryId},
    messages,
    schema::{
        CompactionMode, CompactionSettings, CompactionSettingsInput, CompactionStats, ContentPart, MessageId, RunId,
        StepId, StoredMessage, Timestamp,
    },
};

use super::loaded::ChatModel;
use crate::{Actor, Error, Result, Services, model, prompt::time::local_time};
use estimate::Sizes;
use plan::Ground;
use summarise::{Deadline, Desk, Summariser, Written};

pub(crate) use estimate::of_row as message_tokens;
pub(super) use estimate::{Gauge, Load};
pub(super) use plan::threshold;
pub(super) use summary::event;

/// The bytes that a summary may always have.
const LEAST_SUMMARY_BYTES: usize = 2_000;
/// The part of the window, in hundredths, that is left where no model could summarise.
const LEFT_WITHOUT_SUMMARY: i64 = 70;

/// Why a history is compacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trigger {
    /// A step has filled the window nearly.
    PostStep,
    /// The next call would not fit, by all that is known.
    Foreseen,
    /// The model refused a call as too long.
    Overflow,
    /// Somebody asked for it.
    Manual,
}

impl Trigger {
    /// The name that clients know it by.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::PostStep => "post_step_context_check",
            Self::Foreseen | Self::Overflow => "context_window_exceeded",
            Self::Manual => "manual",
        }
    }
}

/// What is to be compacted. Dropping the future of [`compact`] cancels it; nothing is stored by then.
pub(super) struct CompactRequest<'a> {
    pub(super) history: HistoryId,
    pub(super) agent: &'a AgentRow,
    /// The run and the step that it happens in, if it does in one.
    pub(super) run: Option<RunId>,
    pub(super) step: Option<StepId>,
    /// The messages in context, those included that are not stored yet.
    pub(super) context: &'a [StoredMessage],
    /// How many of them at the end must stay: the input of the step under way.
    pub(super) protected: usize,
    /// What the model reads in the place of the system message in context, if that is not it.
    pub(super) system: Option<&'a str>,
    /// The agent's model.
    pub(super) model: &'a ChatModel,
    /// The tools that it is told of.
    pub(super) tools: &'a [ToolSpec],
    pub(super) trigger: Trigger,
    /// The tokens of the context with the tools, as the provider or a [`Gauge`] has it.
    pub(super) tokens_before: Option<i64>,
    /// What differs from the agent's settings this time.
    pub(super) overrides: Option<&'a CompactionSettingsInput>,
    /// Whether nothing may stay but what must: a shorter context was refused too.
    pub(super) hard: bool,
}

/// What a compaction comes to. Nothing of it is stored.
#[derive(Debug)]
pub(super) struct Compacted {
    /// The row that stands for what has left.
    pub(super) summary: StoredMessage,
    /// The bare text of the summary.
    pub(super) text: String,
    /// The messages that leave the context.
    pub(super) evicted: Vec<MessageId>,
    /// The whole new context: the system message, the summary, the rest.
    pub(super) context: Vec<StoredMessage>,
    pub(super) stats: CompactionStats,
    /// How the summary came about.
    pub(super) way: Way,
    /// What it cost, as far as the providers say.
    pub(super) usage: Usage,
}

/// How a summary came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// A model wrote it in this mode, which need not be the mode of the settings.
    Summarised(CompactionMode),
    /// No model could, so the oldest messages left without one.
    LeftOut,
}

impl CompactRequest<'_> {
    fn sizes(&self) -> Sizes {
        let load = Load { context: self.context, system: self.system, tools: self.tools };
        Sizes::measure(self.model, load, self.tokens_before, self.trigger == Trigger::Overflow)
    }
}

impl Compacted {
    /// The ids of the new context.
    pub(super) fn ids(&self) -> Vec<MessageId> {
        self.context.iter().map(|message| message.id).collect()
    }

    /// Stores the summary and the new context. Rows of the context that were not stored yet must be by now.
    pub(super) fn store(&self, conn: &mut Conn, actor: &Actor, history: &HistoryId) -> muisti_orm::Result<()> {
        messages::insert(conn, actor, std::slice::from_ref(&self.summary))?;
        histories::replace(conn, actor, history, &self.ids())
    }
}

/// Whether there is anything in a context that could leave it. The last `input` rows cannot.
pub(super) fn can_shrink(context: &[StoredMessage], input: usize) -> bool {
    Ground::new(context, input).can_shrink()
}

/// Whether a compaction could make room. False when there is nothing that could leave, or when it is foreseen that it
/// would not help: then only the provider knows.
///
/// # Errors
/// [`Error::SystemPromptTooLarge`] and [`Error::ContextWindowExceeded`] when a provider has refused the call and nothing
/// could help: the system message, or what must stay with it, is certainly more than the window.
pub(super) fn is_worth_while(request: &CompactRequest<'_>) -> Result<bool> {
    let window = request.model.config.context_window;
    let ground = Ground::new(request.context, request.protected);
    let sizes = request.sizes();
    let system = sizes.counted(sizes.of_head(ground.head()));
    let refused = request.trigger == Trigger::Overflow;
    if refused && sizes.is_surely_too_much(system) {
        return Err(Error::SystemPromptTooLarge { tokens: system, window });
    }
    // Whether it would help an estimate alone does not decide.
    let in_vain = request.trigger == Trigger::Foreseen && window > 0 && sizes.least(&ground) > window;
    if !ground.can_shrink() || in_vain {
        return Ok(false);
    }
    // Nobody waits for a summary that cannot make room for a message, such as a file pasted whole.
    let least = sizes.counted(sizes.least(&ground));
    if refused && sizes.is_surely_too_much(least) {
        return Err(Error::ContextWindowExceeded(format!(
            "The new messages have, with the system prompt and the tools, about {least} tokens, which is more than the \
             model's context of {window}. Shorten them, or take a model with a larger context."
        )));
    }
    Ok(true)
}

/// Plans a shorter context and has its summary written, where that [is worth while](is_worth_while).
///
/// # Errors
/// As [`is_worth_while`]. A model that fails, and a system message that fills the window, are errors only to those who
/// asked for a summary by hand; everywhere else there is always a result.
pub(super) async fn compact(
    services: &Services,
    actor: &Actor,
    request: &CompactRequest<'_>,
) -> Result<Option<Compacted>> {
    if !is_worth_while(request)? {
        return Ok(None);
    }
    let deadline = Deadline::in_(services.settings().compaction_patience);
    let config = &request.agent.llm_config;
    let mut settings =
        model::compaction::effective(request.agent.compaction_settings.as_ref(), request.overrides, config);
    if request.hard {
        settings = settings_in(&settings, CompactionMode::All);
    }
    let job = Job {
        request,
        desk: Desk {
            services,
            actor,
            agent_id: request.agent.id,
            run_id: request.run,
            step_id: request.step,
            deadline,
        },
        ground: Ground::new(request.context, request.protected),
        sizes: request.sizes(),
        summarisers: Summariser::all(services, actor, &settings, request.model, deadline).await,
        settings,
    };
    let compacted = job.run().await?;
    let window = request.model.config.context_window;
    let after = compacted.stats.context_tokens_after.unwrap_or_default();
    if window > 0 && after >= threshold(window) {
        let system = job.sizes.counted(job.sizes.of_head(job.ground.head()));
        if system >= window && request.trigger == Trigger::Manual {
            return Err(Error::SystemPromptTooLarge { tokens: system, window });
        }
        tracing::warn!(agent_id = %request.agent.id, after, window, "a compacted context is still nearly full");
    }
    Ok(Some(compacted))
}

/// One compaction under way.
struct Job<'a> {
    request: &'a CompactRequest<'a>,
    desk: Desk<'a>,
    settings: CompactionSettings,
    ground: Ground<'a>,
    sizes: Sizes,
    summarisers: Vec<Summariser>,
}

/// A summary and the first message that stays behind it.
struct Cut {
    at: usize,
    text: String,
    way: Way,
}

impl Job<'_> {
    async fn run(&self) -> Result<Compacted> {
        let mut usage = Usage::default();
        let mut cut = match self.summarised(&mut usage).await {
            Ok(cut) => cut,
            Err(error) if self.request.trigger == Trigger::Manual => return Err(error.into()),
            Err(error) => self.left_out(&error),
        };
        let mut compacted = self.compacted(&cut, usage);
        // Rarely, what a window leaves is still too much together with the tools and the summary.
        let too_much = compacted.stats.context_tokens_after >= Some(threshold(self.sizes.window()));
        if too_much
            && cut.way == Way::Summarised(CompactionMode::SlidingWindow)
            && let Some(at) = self.ground.cut_all().filter(|at| *at > cut.at)
        {
            let rest = [std::slice::from_ref(&compacted.summary), self.rows(cut.at, at)].concat();
            let all = settings_in(&self.settings, CompactionMode::All);
            if let Ok(written) = self.by_transcript(&rest, &all).await {
                cut = Cut { at, text: self.clipped(&written.text), way: Way::Summarised(CompactionMode::All) };
                add(&mut compacted.usage, written.usage);
                compacted = self.compacted(&cut, compacted.usage);
            }
        }
        tracing::info!(
            agent_id = %self.request.agent.id, run_id = self.request.run.map(tracing::field::display),
            trigger = self.request.trigger.as_str(), mode = %self.settings.mode, way = ?compacted.way,
            evicted = compacted.evicted.len(), tokens_before = ?self.request.tokens_before,
            tokens_after = ?compacted.stats.context_tokens_after,
            "a history is compacted"
        );
        Ok(compacted)
    }

    /// A summary in the mode of the settings, or in the next one that can do it.
    async fn summarised(&self, usage: &mut Usage) -> Result<Cut, LlmError> {
        use CompactionMode::{All, SelfCompactAll, SelfCompactSlidingWindow, SlidingWindow};
        let modes: &[CompactionMode] = match self.settings.mode {
            All => &[All],
            SlidingWindow => &[SlidingWindow, All],
            SelfCompactAll => &[SelfCompactAll, SelfCompactSlidingWindow, All],
            SelfCompactSlidingWindow => &[SelfCompactSlidingWindow, All],
        };
        let mut failure = None;
        for &mode in modes {
            let cut = match mode {
                All | SelfCompactAll => self.ground.cut_all(),
                SlidingWindow | SelfCompactSlidingWindow => {
                    self.ground.cut_window(&self.sizes, self.settings.sliding_window_percentage)
                }
            };
            let Some(at) = cut else { continue };
            match self.write(mode, at).await {
                Ok(written) => {
                    add(usage, written.usage);
                    return Ok(Cut { at, text: self.clipped(&written.text), way: Way::Summarised(mode) });
                }
                Err(error) => {
                    tracing::warn!(agent_id = %self.request.agent.id, %mode, %error, "no summary could be written");
                    failure = Some(error);
                }
            }
            // The same models would read still more.
            if mode == SlidingWindow {
                break;
            }
        }
        Err(failure.unwrap_or_else(|| {
            let kind = muisti_llm::LlmErrorKind::BadRequest;
            LlmError::new(kind, self.request.model.provider.name(), "There is nothing to summarise.")
        }))
    }

    async fn write(&self, mode: CompactionMode, at: usize) -> Result<Written, LlmError> {
        let settings = settings_in(&self.settings, mode);
        let head = self.ground.head();
        match mode {
            CompactionMode::All | CompactionMode::SlidingWindow => {
                self.by_transcript(self.rows(head, at), &settings).await
            }
            CompactionMode::SelfCompactAll | CompactionMode::SelfCompactSlidingWindow => {
                let (model, tools) = (self.request.model, self.request.tools);
                let tokens = self.sizes.of_head(at) + self.sizes.tools();
                let context = (self.rows(0, at), self.request.system);
                // Whoever comes next if it fails needs some time, too.
                let desk = Desk { deadline: self.desk.deadline.half(), ..self.desk };
                desk.by_the_agent(model, context, tools, &settings, tokens).await
            }
        }
    }

    /// What the first of the models writes that can.
    async fn by_transcript(&self, rows: &[StoredMessage], settings: &CompactionSettings) -> Result<Written, LlmError> {
        let mut summarisers = self.summarisers.iter().peekable();
        loop {
            let Some(summariser) = summarisers.next() else {
                let kind = muisti_llm::LlmErrorKind::NotFound;
                return Err(LlmError::new(kind, "none", "There is no model to summarise with."));
            };
            let all = self.desk.deadline;
            let deadline = if summarisers.peek().is_some() { all.half() } else { all };
            match summariser.summarise(&Desk { deadline, ..self.desk }, rows, settings).await {
                Err(error) if summarisers.peek().is_some() => {
                    tracing::warn!(model = summariser.name(), %error, "the agent's own model summarises");
                }
                written => return written,
            }
        }
    }

    /// The oldest messages leave, and the summary's place says so.
    fn left_out(&self, error: &LlmError) -> Cut {
        let goal = self.sizes.window() / 100 * LEFT_WITHOUT_SUMMARY;
        let cut = if self.request.hard { self.ground.cut_all() } else { self.ground.cut_oldest(&self.sizes, goal) };
        let at = cut.unwrap_or_else(|| self.ground.head());
        let evicted = self.rows(self.ground.head(), at);
        tracing::error!(agent_id = %self.request.agent.id, count = evicted.len(), %error, "messages leave without a summary");
        Cut { at, text: self.clipped(&summary::left_out(evicted)), way: Way::LeftOut }
    }

    /// A summary within its own limit, and within a quarter of the window.
    fn clipped(&self, text: &str) -> String {
        let bytes = usize::try_from(self.sizes.window()).unwrap_or(usize::MAX).max(LEAST_SUMMARY_BYTES);
        summary::clip(text, self.settings.clip_chars, bytes)
    }

    fn rows(&self, from: usize, upto: usize) -> &[StoredMessage] {
        self.request.context.get(from..upto).unwrap_or_default()
    }

    fn compacted(&self, cut: &Cut, usage: Usage) -> Compacted {
        let CompactRequest { history, agent, context, trigger, tokens_before, .. } = self.request;
        let head = self.ground.head();
        let evicted = self.rows(head, cut.at);
        let kept = self.rows(cut.at, context.len());
        let mut stats = CompactionStats {
            trigger: trigger.as_str().to_owned(),
            context_tokens_before: Some(tokens_before.unwrap_or(self.sizes.total())),
            context_tokens_after: None,
            context_window: self.request.model.config.context_window,
            messages_count_before: number(context.len()),
            messages_count_after: number(head + 1 + kept.len()),
        };
        // A number is told where some of the conversation is left.
        let told = match cut.way {
            Way::Summarised(CompactionMode::All | CompactionMode::SelfCompactAll) => None,
            _ => Some(evicted.len()),
        };
        let time = local_time(Timestamp::now(), agent.timezone.as_deref().unwrap_or("UTC"));
        let mut row = summary::row(history, summary::envelope(&cut.text, told, &time, &stats));
        (row.run_id, row.step_id) = (self.request.run, self.request.step);
        let left = self.sizes.of_head(head) + self.sizes.from(cut.at) + self.sizes.tools();
        stats.context_tokens_after = Some(left + self.sizes.of_new(&row));
        row.content = vec![ContentPart::text(summary::envelope(&cut.text, told, &time, &stats))];
        let new = self.rows(0, head).iter().chain(std::iter::once(&row)).chain(kept);
        Compacted {
            context: new.cloned().collect(),
            evicted: evicted.iter().map(|message| message.id).collect(),
            text: cut.text.clone(),
            summary: row,
            stats,
            way: cut.way,
            usage,
        }
    }
}

/// The settings with another mode. A prompt that was written for this agent goes along, that of a mode does not.
fn settings_in(settings: &CompactionSettings, mode: CompactionMode) -> CompactionSettings {
    let own = |prompt: &String| prompt != model::compaction::default_prompt(settings.mode);
    let prompt = settings.prompt.clone().filter(own);
    let prompt = prompt.unwrap_or_else(|| model::compaction::default_prompt(mode).to_owned());
    CompactionSettings { mode, prompt: Some(prompt), ..settings.clone() }
}

fn add(sum: &mut Usage, usage: Option<Usage>) {
    if let Some(usage) = usage {
        sum.prompt_tokens += usage.prompt_tokens;
        sum.completion_tokens += usage.completion_tokens;
        sum.total_tokens += usage.total_tokens;
    }
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
