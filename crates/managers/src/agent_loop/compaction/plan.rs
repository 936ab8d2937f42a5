//! Which messages a compaction takes out of the context. Pure: from the rows and their sizes to an index.
//!
//! A cut is the index of the first row that stays behind the summary. Whatever the cut, no return stays without its
//! call, the input of the step under way stays, and so does what waits for an approval.

use std::collections::HashMap;

use muisti_orm::schema::{MessageRole, StoredApproval, StoredMessage};

use super::estimate::Sizes;

/// What the window's share grows by from one attempt at a cut to the next.
const STEP: f64 = 0.1;
/// The fewest messages that a sliding window takes out: one for one saves nothing.
const FEWEST: usize = 2;
/// The tokens that a summary may be expected to have.
const SUMMARY_TOKENS: i64 = 700;

/// The part of the window, in hundredths, from which a context is full.
pub(in crate::agent_loop) const FULL: i64 = 90;

/// The number of tokens from which a context of this window is full.
pub(in crate::agent_loop) const fn threshold(window: i64) -> i64 {
    window / 100 * FULL + window % 100 * FULL / 100
}

/// A context, and what of it must stay together.
pub(super) struct Ground<'a> {
    context: &'a [StoredMessage],
    /// Where what may be summarised begins: behind the system message.
    head: usize,
    /// Where what must stay begins.
    tail: usize,
    /// How many rows at the end are input of the step under way.
    input: usize,
    /// For each row the first row that must stay if this one or a later one does.
    reach: Vec<usize>,
}

impl<'a> Ground<'a> {
    /// The last `input` rows stay, and a request for approval at the end with what it belongs to.
    pub(super) fn new(context: &'a [StoredMessage], input: usize) -> Self {
        let is_system = |message: &StoredMessage| message.role == MessageRole::System;
        let head = usize::from(context.first().is_some_and(is_system));
        let reach = reach(context);
        let input = input.min(context.len().saturating_sub(head));
        let mut ground = Self { context, head, tail: context.len(), input, reach };
        ground.tail = ground.whole(ground.pending_from(context.len() - input)).max(head);
        ground
    }

    /// Where what waits for an approval before `end` begins; `end` itself when nothing does.
    fn pending_from(&self, end: usize) -> usize {
        let rows = self.context.get(..end).unwrap_or_default();
        rows.iter().rposition(|message| message.role != MessageRole::Approval).map_or(0, |last| last + 1).max(self.head)
    }

    /// The first row from which on nothing is torn apart, at or before this one.
    fn whole(&self, mut from: usize) -> usize {
        while let Some(&reach) = self.reach.get(from).filter(|reach| **reach < from) {
            from = reach;
        }
        from
    }

    /// How many rows come before what may be summarised.
    pub(super) const fn head(&self) -> usize {
        self.head
    }

    /// Where what must stay begins.
    pub(super) const fn tail(&self) -> usize {
        self.tail
    }

    /// Whether there is anything to summarise that is no summary already.
    pub(super) fn can_shrink(&self) -> bool {
        self.said_something(self.tail)
    }

    fn said_something(&self, cut: usize) -> bool {
        let rows = self.context.get(self.head..cut).unwrap_or_default();
        rows.iter().any(|message| message.role != MessageRole::Summary)
    }

    /// The cut that leaves nothing but what must stay.
    pub(super) fn cut_all(&self) -> Option<usize> {
        self.can_shrink().then_some(self.tail)
    }

    /// The cut of a sliding window: before something that the agent said, so far back that the rest has fewer tokens
    /// than `1 - share` of the window. None when only a cut that leaves next to nothing would do.
    pub(super) fn cut_window(&self, sizes: &Sizes, share: f64) -> Option<usize> {
        let window = sizes.window();
        let mut part = share.clamp(0.0, 1.0);
        let goal = fraction(window, 1.0 - part);
        loop {
            part += STEP;
            if part >= 1.0 - STEP / 10.0 {
                return None;
            }
            let Some(cut) = self.turn_of_agent(share_of(self.context.len(), part).min(self.tail)) else { continue };
            if cut >= self.last_index() {
                return None;
            }
            if cut < self.head + FEWEST || !self.said_something(cut) {
                continue;
            }
            // What would be too full with the tools and the summary would have to be summarised once more, and a
            // summary of a summary loses twice.
            let left = sizes.of_head(self.head) + sizes.from(cut);
            if left < goal && left + sizes.tools() + SUMMARY_TOKENS.min(window / 20) < threshold(window) {
                return Some(cut);
            }
        }
    }

    /// The cut where no model is asked: the smallest that leaves fewer than `goal` tokens, else that of all.
    pub(super) fn cut_oldest(&self, sizes: &Sizes, goal: i64) -> Option<usize> {
        let head = sizes.of_head(self.head) + sizes.tools();
        let fits = |cut: &usize| self.said_something(*cut) && head + sizes.from(*cut) < goal;
        let cuts = (self.head + 1..self.tail).filter(|cut| self.whole(*cut) == *cut && !self.is_return(*cut));
        let mut cuts = cuts.filter(fits);
        cuts.next().or_else(|| self.cut_all())
    }

    /// The last row up to this one where the agent speaks and nothing is torn apart.
    fn turn_of_agent(&self, upto: usize) -> Option<usize> {
        let speaks = |index: &usize| {
            let row = self.context.get(*index);
            row.is_some_and(|row| row.role == MessageRole::Assistant || row.is_approval_request())
        };
        let found = (self.head.max(1)..=upto).rev().find(speaks)?;
        Some(self.whole(found))
    }

    fn is_return(&self, index: usize) -> bool {
        let role = self.context.get(index).map(|row| row.role);
        matches!(role, Some(MessageRole::Tool | MessageRole::Function | MessageRole::Approval))
    }

    /// The last row that is no input; the one before it if that waits for an approval.
    fn last_index(&self) -> usize {
        let end = self.context.len() - self.input;
        let rows = self.context.get(..end).unwrap_or_default();
        let waits = rows.last().is_some_and(|row| row.role == MessageRole::Approval);
        end.saturating_sub(if waits { 2 } else { 1 })
    }
}

/// For each row the first row that must stay if this one or a later one does: the calls that are answered from there
/// on, and the rest of the answer of the model that a request for approval is part of.
fn reach(context: &[StoredMessage]) -> Vec<usize> {
    let mut called: HashMap<&str, usize> = HashMap::new();
    let mut needs: Vec<usize> = Vec::with_capacity(context.len());
    for (index, row) in context.iter().enumerate() {
        let mut first = index;
        let answered = row.returned_call_ids().chain(row.approvals.iter().filter_map(decided_call));
        if row.tool_calls.is_empty() {
            for call in answered.chain(row.approval_request_id.as_deref()) {
                first = first.min(called.get(call).copied().unwrap_or(index));
            }
        }
        if row.is_approval_request()
            && let Some(before) = index.checked_sub(1).and_then(|before| context.get(before))
            && before.role == MessageRole::Assistant
            && before.step_id.is_some()
            && before.step_id == row.step_id
        {
            first = index - 1;
        }
        called.extend(row.tool_calls.iter().map(|call| (call.id.as_str(), index)));
        needs.push(first);
    }
    let mut least = usize::MAX;
    for need in needs.iter_mut().rev() {
        least = least.min(*need);
        *need = least;
    }
    needs
}

fn decided_call(approval: &StoredApproval) -> Option<&str> {
    match approval {
        StoredApproval::Approval(approval) => Some(&approval.tool_call_id),
        StoredApproval::Tool(tool) => tool.tool_call_id.as_deref(),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a share of a count of tokens")]
fn fraction(window: i64, part: f64) -> i64 {
    (window as f64 * part) as i64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a share of a number of rows"
)]
fn share_of(rows: usize, part: f64) -> usize {
    (rows as f64 * part).round() as usize
}

#[cfg(test)]
mod tests;
