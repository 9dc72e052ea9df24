//! Bodies that Kafka's own library wrote.

use std::fs;

use duramen_protocol::kafka::ApiKey;
use serde_json::Value;

use crate::reference::{lines, roots, unhex};

/// A body, and what is in it.
pub struct Golden {
    pub api: ApiKey,
    pub is_request: bool,
    pub version: i16,
    pub case: String,
    pub bytes: Vec<u8>,
    pub json: Value,
}

impl Golden {
    fn parse(api: ApiKey, line: &str) -> Golden {
        let json: Value = serde_json::from_str(line).unwrap();
        assert_eq!(json["key"], api.number());
        Golden {
            api,
            is_request: json["type"] == "request",
            version: json["version"].as_i64().unwrap() as i16,
            case: json["case"].as_str().unwrap().into(),
            bytes: unhex(json["hex"].as_str().unwrap()),
            json: json["json"].clone(),
        }
    }

    /// What to call it in a failure.
    pub fn name(&self) -> String {
        let kind = if self.is_request { "request" } else { "response" };
        format!("{} {kind} v{} {}", self.api.name(), self.version, self.case)
    }

    /// Whether it has tagged fields that nobody knows, which are not written again.
    pub fn has_unknown_tags(&self) -> bool {
        self.case == "unknown_tags"
    }
}

/// All bodies of versions that we have.
pub fn bodies() -> Vec<Golden> {
    let mut all = Vec::new();
    for root in roots() {
        for &api in ApiKey::ALL {
            let lines = lines(&root.join("golden").join(format!("{}.jsonl", api.name())));
            assert!(!lines.is_empty(), "{}", api.name());
            let bodies = lines.iter().map(|line| Golden::parse(api, line));
            all.extend(bodies.filter(|body| api.versions().contains(&body.version)));
        }
    }
    all
}

/// The lines of a listing, from the largest collection at hand.
pub fn listing(name: &str) -> Option<Vec<String>> {
    let root = roots().pop()?;
    fs::exists(root.join(name)).unwrap().then(|| lines(&root.join(name)))
}
