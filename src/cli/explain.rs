//! `weir explain`: what a client's query would get, and why, as the running daemon says.

use super::{ExplainArguments, fail, load_config, local_api, show, show_faults};
use serde_json::Value;
use std::{fmt::Write, process::ExitCode};

/// Asks the daemon and prints its explanation.
pub(super) fn run(arguments: &ExplainArguments) -> ExitCode {
    let config = match load_config(arguments.config.as_deref(), arguments.data.as_deref()) {
        Ok(config) => config,
        Err(faults) => return show_faults(&faults),
    };
    let body = serde_json::json!({
        "client": arguments.client,
        "name": arguments.name,
        "type": arguments.qtype.to_string(),
    });
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(error),
    };
    match runtime.block_on(local_api::post(&config, "explain", &body)) {
        Ok(reply) if arguments.json => show(format_args!("{reply:#}")),
        Ok(reply) => show(readable(&reply)),
        Err(error) => return fail(error),
    }
    ExitCode::SUCCESS
}

/// The explanation as lines for people. What the daemon left out is left out.
fn readable(reply: &Value) -> String {
    let explanation = ["data", "object", "explanation"]
        .into_iter()
        .map(|envelope| &reply[envelope])
        .find(|inner| inner.get("verdict").is_some())
        .unwrap_or(reply);
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut lines = String::new();
    let mut line = |title: &str, contents: String| {
        let _ = writeln!(lines, "{title:<14} {contents}");
    };
    let question = [&explanation["name"], &explanation["type"]].map(text).join(" ");
    line("question", format!("{question} from {}", text(&explanation["client"])));
    for (title, key) in [("identified by", "identified_by"), ("customer", "customer"), ("location", "location")] {
        match &explanation[key] {
            Value::Null => {}
            Value::Object(party) => line(title, party_text(party)),
            other => line(title, text(other)),
        }
    }
    if let Value::Object(policy) = &explanation["policy"] {
        let source = explanation["policy_source"].as_str().map(|source| format!(", {source}")).unwrap_or_default();
        line("policy", party_text(policy) + &source);
    }
    let categories: Vec<String> = explanation["categories"].as_array().into_iter().flatten().map(text).collect();
    line("categories", if categories.is_empty() { "none".to_owned() } else { categories.join(", ") });
    for step in explanation["steps"].as_array().into_iter().flatten() {
        let mark = if step["decided"] == true { "*" } else { " " };
        line(&format!("{mark}{:>2} {}", text(&step["number"]), text(&step["title"])), text(&step["finding"]));
    }
    line("verdict", text(&explanation["verdict"]));
    if let Value::Object(answer) = &explanation["answer"] {
        line("answer", answer.get("rcode").map(text).unwrap_or_default());
        for (title, key) in [("", "records"), ("error", "errors")] {
            for item in answer.get(key).and_then(Value::as_array).into_iter().flatten() {
                line(title, text(item));
            }
        }
    }
    lines.truncate(lines.trim_end().len());
    lines
}

fn party_text(party: &serde_json::Map<String, Value>) -> String {
    let id = party.get("id").map(ToString::to_string).unwrap_or_default();
    match party.get("name").and_then(Value::as_str) {
        Some(name) => format!("{name} ({id})"),
        None => id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_explanation_reads_from_the_question_to_the_answer() {
        let reply = serde_json::json!({
            "name": "malware.weir.test", "type": "A", "client": "192.0.2.7",
            "identified_by": "source address 192.0.2.7 within 192.0.2.0/24",
            "customer": {"id": 5, "name": "Local network"}, "location": null,
            "policy": {"id": 7, "name": "Default"}, "policy_source": "the customer's default",
            "steps": [
                {"number": 4, "title": "lists", "finding": "no entry", "decided": false},
                {"number": 6, "title": "categories", "finding": "Malware is blocked", "decided": true}
            ],
            "verdict": "blocked", "decided_by": 6, "categories": ["Malware"],
            "answer": {"rcode": "NOERROR", "records": ["malware.weir.test. 60 IN A 0.0.0.0"], "errors": ["17 Filtered"]}
        });
        let expected = "\
question       malware.weir.test A from 192.0.2.7
identified by  source address 192.0.2.7 within 192.0.2.0/24
customer       Local network (5)
policy         Default (7), the customer's default
categories     Malware
  4 lists      no entry
* 6 categories Malware is blocked
verdict        blocked
answer         NOERROR
               malware.weir.test. 60 IN A 0.0.0.0
error          17 Filtered";
        assert_eq!(readable(&reply), expected);
        assert_eq!(readable(&serde_json::json!({"status": "ok", "data": reply})), expected);
    }

    #[test]
    fn what_the_daemon_left_out_is_left_out() {
        let reply = serde_json::json!({"name": "a.example", "type": "A", "client": "192.0.2.7",
            "identified_by": "nothing: the client is unknown", "steps": [], "verdict": "refused", "categories": []});
        let expected = "\
question       a.example A from 192.0.2.7
identified by  nothing: the client is unknown
categories     none
verdict        refused";
        assert_eq!(readable(&reply), expected);
    }
}
