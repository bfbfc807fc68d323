//! Policy files, read as the service reads them.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use godwit_policy::Overrides;
use serde_saphyr::DuplicateKeyPolicy;

/// The overrides in the YAML file at `path`.
pub(crate) fn read(path: &Path) -> Result<Overrides> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the policy file {}", path.display()))?;
    parse(&text).with_context(|| format!("the policy file {}", path.display()))
}

fn parse(text: &str) -> Result<Overrides> {
    // A rule that is given twice counts as given last, as with the reader that Nova uses.
    let options = serde_saphyr::options! { duplicate_keys: DuplicateKeyPolicy::LastWins };
    let contents: serde_json::Value = serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| anyhow!("{}", error.without_snippet()))?;
    Ok(Overrides::read(&contents)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn yaml_json_and_comments_are_policy_files() {
        let rule = Overrides::read(&json!({"a:b": "role:x"})).unwrap();
        for text in [
            "\"a:b\": \"role:x\"\n",
            "# why\n'a:b': role:x # that\n",
            r#"{"a:b": "role:x"}"#,
            "\"a:b\": \"!\"\n\"a:b\": \"role:x\"\n",
        ] {
            assert_eq!(parse(text).unwrap(), rule, "{text}");
        }
        assert_eq!(parse("# nothing\n").unwrap(), Overrides::default());
        assert_eq!(parse("").unwrap(), Overrides::default());
    }

    #[test]
    fn what_is_no_policy_file_says_why() {
        for (text, says) in [
            ("a: [", "line"),
            ("- a\n", "must map"),
            ("a: 1\n", "policy rule a"),
        ] {
            let error = format!("{:#}", parse(text).unwrap_err());
            assert!(error.contains(says), "{error}");
        }
    }
}
