//! The report as a page of documentation.

use std::fmt::Write;

use crate::compare::{ACCEPTED, Report};

/// `docs/PARITY.md`.
pub(crate) fn render(report: &Report) -> String {
    let mut text = String::from(
        "# Parity\n\n\
         How far the OpenAPI document of this server agrees with the contract that the official clients were generated \
         from (`tests/contract.json`). Written by `just parity`; the tests hold what is served to the contract.\n\n\
         | resource | served | missing |\n| --- | ---: | ---: |\n",
    );
    let (mut served, mut missing) = (0, 0);
    for (tag, resource) in &report.resources {
        let _ = writeln!(text, "| {tag} | {} | {} |", resource.served, resource.missing.len());
        served += resource.served;
        missing += resource.missing.len();
    }
    let _ = writeln!(text, "| **all** | **{served}** | **{missing}** |");
    list(&mut text, "Not served", report.resources.values().flat_map(|resource| resource.missing.iter().cloned()));
    let difference = |(place, what): &(String, String)| format!("`{place}`: {what}");
    text.push_str("\n## Differences in what is served\n\n");
    let lines: Vec<String> = report.differences.iter().map(difference).collect();
    text.push_str(if lines.is_empty() { "None.\n" } else { "" });
    lines.iter().for_each(|line| text.push_str(&format!("- {line}\n")));
    text.push_str("\n## Accepted differences\n\n");
    ACCEPTED.iter().for_each(|(name, member, reason)| text.push_str(&format!("- `{name}.{member}`: {reason}\n")));
    text.push_str("\n## Outside of this server\n\nThese belong to the hosted service of the reference, whose own server does not have them.\n");
    report.hosted_only.iter().for_each(|line| text.push_str(&format!("\n- `{line}`")));
    text.push('\n');
    text
}

fn list(text: &mut String, title: &str, lines: impl Iterator<Item = String>) {
    let lines: Vec<String> = lines.map(|line| format!("- `{line}`\n")).collect();
    let _ = write!(text, "\n## {title}\n\n{}", if lines.is_empty() { "Nothing.\n".to_owned() } else { lines.concat() });
}
