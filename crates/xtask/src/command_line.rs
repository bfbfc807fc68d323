//! Manual pages and completions of the binary's command line.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use clap::CommandFactory;
use clap_complete::Shell;

#[allow(dead_code, reason = "only what clap makes of it is looked at")]
#[path = "../../godwit/src/cli.rs"]
mod cli;

/// Shells, each with the folder of its completions below `/usr/share` and the file's name there,
/// which is not always what clap calls it.
const SHELLS: &[(Shell, &str, &str)] = &[
    (Shell::Bash, "bash-completion/completions", "godwit"),
    (Shell::Zsh, "zsh/vendor-completions", "_godwit"),
    (Shell::Fish, "fish/vendor_completions.d", "godwit.fish"),
];

/// Writes them below `share`, as they lie below `/usr/share`.
pub(crate) fn write(share: &Path) -> Result<()> {
    let made = |folder: &str| {
        let path = share.join(folder);
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        anyhow::Ok(path)
    };
    clap_mangen::generate_to(cli::Cli::command(), made("man/man1")?)?;
    for (shell, folder, name) in SHELLS {
        let mut completions = Vec::new();
        clap_complete::generate(*shell, &mut cli::Cli::command(), "godwit", &mut completions);
        fs::write(made(folder)?.join(name), completions)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_and_every_shell_completes_it() {
        let share = tempfile::tempdir().unwrap();
        write(share.path()).unwrap();
        let read = |file: &str| fs::read_to_string(share.path().join(file)).unwrap();
        for page in [
            "godwit",
            "godwit-conductor",
            "godwit-db-restored",
            "godwit-plan-create",
        ] {
            let page = read(&format!("man/man1/{page}.1"));
            assert!(page.contains(".TH "), "{page}");
        }
        for (_, folder, name) in SHELLS {
            let completions = read(&format!("{folder}/{name}"));
            assert!(completions.contains("import-nova"), "{folder}");
        }
    }
}
