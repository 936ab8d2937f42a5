//! One server for one data directory.

use std::{
    fs::{self, File, TryLockError},
    path::Path,
};

use anyhow::{Context, bail};

/// Holds the data directory until it is dropped, or the process ends in whatever way.
#[derive(Debug)]
pub(crate) struct DataDirLock(#[allow(dead_code)] File);

impl DataDirLock {
    /// Makes the directory if it does not exist, and takes it.
    pub(crate) fn take(directory: &Path) -> anyhow::Result<Self> {
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
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => bail!(
                "Another muisti is using the data directory '{}'. Stop it first, or give this one a directory of its \
                 own with --data-dir (MUISTI_DATA_DIR).",
                directory.display()
            ),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("The file '{}' cannot be locked", path.display()))
            }
        }
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
        drop(first);
        DataDirLock::take(directory.path()).unwrap();
    }
}
