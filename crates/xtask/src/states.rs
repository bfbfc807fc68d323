//! `docs/states.md`, drawn by asking the tables.
//!
//! Nothing here knows a rule: [`walk`] calls `transition::step` with everything in every state
//! that can be reached, and [`draw`] writes down what came back. [`machines`] does the same with what
//! is no migration.

mod draw;
mod family;
mod machines;
mod walk;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

fn document(root: &Path) -> PathBuf {
    root.join("docs").join("states.md")
}

fn page() -> String {
    draw::document() + &machines::document()
}

pub(crate) fn write(root: &Path) -> Result<()> {
    let path = document(root);
    std::fs::write(&path, page()).with_context(|| format!("cannot write {}", path.display()))
}

/// Fails when the document is not what would be written.
pub(crate) fn check(root: &Path) -> Result<()> {
    let path = document(root);
    let found = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    ensure!(
        found == page(),
        "{} is not what the tables say; run `cargo xtask states`",
        path.display()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use godwit_core::event::Event;

    use super::family::Family;
    use super::walk;

    #[test]
    fn the_document_says_what_the_tables_say() {
        super::check(&crate::workspace_root().unwrap()).unwrap();
    }
    #[test]
    fn every_phase_and_every_event_is_drawn() {
        let mut drawn = vec!["superseded"];
        for family in Family::ALL {
            let steps = walk::steps(family);
            for phase in family.phases() {
                assert!(steps.iter().any(|step| step.phase == phase), "{phase}");
            }
            drawn.extend(steps.iter().map(|step| step.event.name()));
        }
        for name in Event::NAMES {
            assert!(drawn.contains(name), "{name}");
        }
    }
}
