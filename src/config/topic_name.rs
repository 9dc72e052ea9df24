//! Names of topics.

/// Longest topic name, as in Kafka: the folder's name still fits with the partition behind it.
pub const TOPIC_NAME_MAX: usize = 249;

/// Checks a topic's name by Kafka's rules: 1 to 249 of `a-z A-Z 0-9 . _ -`, not `.` or `..`.
///
/// # Errors
/// With what is wrong.
pub fn check_topic_name(name: &str) -> Result<(), String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() {
        return Err("a topic's name can't be empty".into());
    }
    if name == "." || name == ".." {
        return Err(format!("a topic can't be named {name:?}"));
    }
    if name.len() > TOPIC_NAME_MAX {
        return Err(format!(
            "the topic's name has {} characters, {TOPIC_NAME_MAX} are allowed",
            name.len()
        ));
    }
    match name.chars().find(|c| !legal(*c)) {
        Some(c) => Err(format!(
            "the topic's name has {c:?} in it; letters, digits, `.`, `_` and `-` are allowed"
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_names_follow_kafkas_rules() {
        for good in ["a", "A.b_c-9", &"x".repeat(249), "...", "__consumer_offsets"] {
            assert_eq!(check_topic_name(good), Ok(()), "{good}");
        }
        for bad in ["", ".", "..", "a b", "a/b", "ä", &"x".repeat(250)] {
            assert!(check_topic_name(bad).is_err(), "{bad}");
        }
    }
}
