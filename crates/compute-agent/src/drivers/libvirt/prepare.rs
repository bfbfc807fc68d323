//! Destination: making room for a guest that will come, and clearing it away again.

use std::io;
use std::path::{Path, PathBuf};

use godwit_core::failure::{Failure, FailureCode};
use godwit_core::migration::StorageMode;
use tokio_util::sync::CancellationToken;

use super::state::{DriverState, Made};
use super::storage::images::{Blank, ImageError};
use super::{Domain, DriverError, Host, HostFacts, Job, Receiver};
use crate::checks;

impl Host {
    /// See [`crate::driver::Driver::prepare`]. With shared storage there is nothing to make:
    /// libvirt makes the domain itself when the move begins.
    pub(super) async fn prepare(
        &self,
        job: &Job,
        guest: &Domain,
        cancel: &CancellationToken,
    ) -> Result<Receiver, DriverError> {
        let state: DriverState = job.load()?.unwrap_or_default();
        let own = self.facts().await?;
        if state.ready {
            return self.receiver(own);
        }
        self.nobody_is_called(guest.server, &guest.domain_name)
            .await?;
        self.remembered.expect(guest);
        match job.what.storage {
            StorageMode::Shared => self.storage_is_shared(guest, &own)?,
            StorageMode::Copied => tokio::select! {
                biased;
                () = cancel.cancelled() => Err(DriverError::Cancelled),
                made = self.make_disks(job, state, guest, &own) => made,
            }?,
        }
        self.receiver(own)
    }

    /// Storage may have been taken away since the pre-check.
    fn storage_is_shared(&self, guest: &Domain, own: &HostFacts) -> Result<(), DriverError> {
        match checks::disks_to_copy(guest, &own.pools).next() {
            None => Ok(()),
            Some(disk) => Err(DriverError::failed(
                FailureCode::PrepareFailed,
                format!("{} does not reach {} any more.", self.name, disk.path),
            )),
        }
    }

    async fn make_disks(
        &self,
        job: &Job,
        mut state: DriverState,
        guest: &Domain,
        own: &HostFacts,
    ) -> Result<(), DriverError> {
        // What an unfinished try left is made anew, so that it is whole.
        self.clear(&state.made).await?;
        state.made.clear();
        job.save(&state).await?;

        self.places_are_free(guest, own)
            .await
            .map_err(|error| recoded(error, FailureCode::PrepareFailed))?;
        self.room_for_copies(guest, own, None)
            .await
            .map_err(|error| recoded(error, FailureCode::DestinationFull))?;
        let blanks: Vec<Blank> = checks::disks_to_copy(guest, &own.pools)
            .map(|disk| Blank {
                path: PathBuf::from(&disk.path),
                format: disk.format.clone(),
                virtual_bytes: disk.virtual_bytes,
                backing: disk
                    .backing
                    .as_ref()
                    .map(|backing| (backing.path.clone(), backing.format.clone())),
            })
            .collect();
        for blank in &blanks {
            for directory in absent_directories(&blank.path) {
                if !state.made.contains(&Made::Directory(directory.clone())) {
                    state.made.push(Made::Directory(directory));
                }
            }
            state.made.push(Made::Disk(blank.path.clone()));
        }
        job.save(&state).await?;
        for made in &state.made {
            if let Made::Directory(directory) = made {
                let made = tokio::fs::create_dir(directory).await;
                made.map_err(|error| not_made(directory, &error.to_string()))?;
            }
        }
        for blank in &blanks {
            let made = blank.create(self.config.call_timeout()).await;
            made.map_err(|error| image_not_made(&blank.path, &error))?;
        }
        state.ready = true;
        job.save(&state).await
    }

    /// Removes what was made, the last first. What is not there is no error; a directory that
    /// somebody else uses stays.
    pub(super) async fn clear(&self, made: &[Made]) -> Result<(), DriverError> {
        for made in made.iter().rev() {
            let (path, removed) = match made {
                Made::Disk(path) => (path, tokio::fs::remove_file(path).await),
                Made::Directory(path) => (path, tokio::fs::remove_dir(path).await),
            };
            match removed.map_err(|error| error.kind()) {
                Ok(()) | Err(io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty) => {}
                Err(kind) => {
                    let path = path.display();
                    return Err(DriverError::Unavailable(format!("removing {path}: {kind}")));
                }
            }
        }
        Ok(())
    }
}

/// The directories above `path` that have to be made, the outermost first.
fn absent_directories(path: &Path) -> Vec<PathBuf> {
    let ancestors = path
        .ancestors()
        .skip(1)
        .take_while(|ancestor| !ancestor.exists());
    let mut absent: Vec<_> = ancestors.map(Path::to_owned).collect();
    absent.reverse();
    absent
}

fn image_not_made(path: &Path, error: &ImageError) -> DriverError {
    if error.is_full() {
        return DriverError::failed(
            FailureCode::DestinationFull,
            format!("No space left on the destination for {}.", path.display()),
        );
    }
    not_made(path, &error.to_string())
}

fn not_made(path: &Path, why: &str) -> DriverError {
    DriverError::failed(
        FailureCode::PrepareFailed,
        format!("{} cannot be made: {why}.", path.display()),
    )
}

/// The same finding, made after the pre-checks.
fn recoded(error: DriverError, code: FailureCode) -> DriverError {
    match error {
        DriverError::Failed(failure) => DriverError::Failed(Failure::new(code, failure.message)),
        other => other,
    }
}
