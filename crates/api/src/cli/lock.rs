//! One server for one data directory.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use uuid::Uuid;

/// Holds the data directory until it is dropped, or the process ends in whatever way.
#[derive(Debug)]
pub(crate) struct DataDirLock {
    directory: PathBuf,
    _file: File,
}

impl DataDirLock {
    /// Makes the directory if it does not exist, and takes it.
    ///
    /// # Errors
    /// When another process has it.
    pub(crate) fn take(directory: &Path) -> anyhow::Result<Self> {
        match Self::try_take(directory)? {
            Some(lock) => Ok(lock),
            None => bail!(
                "Another muisti is using the data directory '{}'. Stop it first, or give this one a directory of its \
                 own with --data-dir (MUISTI_DATA_DIR).",
                directory.display()
            ),
        }
    }

    /// The same, or none when another process has it.
    pub(crate) fn try_take(directory: &Path) -> anyhow::Result<Option<Self>> {
        fs::create_dir_all(directory)
            .with_context(|| format!("The data directory '{}' cannot be made", directory.display()))?;
        let path = directory.join("muisti.lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .with_context(|| format!("The file '{}' cannot be written", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { directory: directory.to_owned(), _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("The file '{}' cannot be locked", path.display()))
            }
        }
    }

    /// The name of the process that holds the directory: the same at each start.
    pub(crate) fn node_name(&self) -> anyhow::Result<String> {
        let path = self.directory.join("node");
        let known = fs::read_to_string(&path).map(|name| name.trim().to_owned());
        if let Some(name) = known.ok().filter(|name| !name.is_empty()) {
            return Ok(name);
        }
        let name = format!("node-{}", Uuid::new_v4());
        fs::write(&path, &name).with_context(|| format!("The file '{}' cannot be written", path.display()))?;
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_directory_has_one_owner_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let first = DataDirLock::take(directory.path()).unwrap();
        let error = DataDirLock::take(directory.path()).unwrap_err().to_string();
        assert!(error.contains("Another muisti is using the data directory"), "{error}");
        let name = first.node_name().unwrap();
        drop(first);
        assert_eq!(DataDirLock::take(directory.path()).unwrap().node_name().unwrap(), name);
    }
}
