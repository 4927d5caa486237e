//! Where the contents of files come from while they are written: what was fetched before, the keys of volumes, or a
//! server, for what is too large to be kept in memory.

use std::io;

use pilotlight_core::facts::accounts::Accounts;
use pilotlight_core::first_boot::Kind;
use pilotlight_core::model::{Config, Resource};
use pilotlight_core::plan::crypttab;
use pilotlight_fetch::Sink;
use pilotlight_host::Spoken;
use pilotlight_providers::Platform;
use pilotlight_sys::tree;
use pilotlight_sys::volumes::KeyStore;

use crate::blobs::BlobStore;
use crate::{transfer, work};

/// Contents and account numbers for operations on the tree.
pub(crate) struct Contents<'a> {
    pub(crate) config: &'a Config,
    /// It may give access to stores.
    pub(crate) platform: Option<Platform>,
    /// What was fetched before.
    pub(crate) blobs: Option<&'a BlobStore>,
    /// The keys of encrypted volumes.
    pub(crate) keys: &'a KeyStore,
    pub(crate) accounts: &'a Accounts,
}

impl tree::Provider for Contents<'_> {
    fn copy(&mut self, key: &str, out: &mut dyn tree::Growing) -> io::Result<()> {
        if let Some(name) = key.strip_prefix(crypttab::KEY_BLOB) {
            let mut file = std::fs::File::open(self.keys.path(name))?;
            return io::copy(&mut file, out).map(|_| ());
        }
        if let Some(store) = self.blobs {
            match std::fs::File::open(store.path(key)) {
                Ok(mut file) => return io::copy(&mut file, out).map(|_| ()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        self.stream(key, out)
    }

    fn uid(&self, name: &str) -> Option<u32> {
        self.accounts.user(name)?.uid
    }

    fn gid(&self, name: &str) -> Option<u32> {
        self.accounts.group(name)?.gid
    }
}

impl Contents<'_> {
    /// Fetches contents that were too large to be kept in memory, to where they belong: under a temporary name,
    /// because a transfer may have to begin again.
    fn stream(&self, key: &str, out: &mut dyn tree::Growing) -> io::Result<()> {
        let files = self.config.files.iter();
        let resource: Option<&Resource> = files
            .flat_map(|file| file.contents.iter().chain(&file.append))
            .find(|resource| resource.blob_key() == key);
        let resource =
            resource.ok_or_else(|| io::Error::other("no resource of the config has this key"))?;
        let client = transfer::client(self.config, self.platform).map_err(io::Error::other)?;
        let request = transfer::request(resource).map_err(io::Error::other)?;
        let spoken = Spoken::default();
        let mut file = InPlace(out);
        let begun = work::begin(Kind::Transfer);
        let fetch = client.fetch(&request, &mut file, &spoken);
        let fetched = pilotlight_fetch::blocking(fetch)?.map_err(io::Error::other)?;
        begun.end(|| resource.shown(), 1, Some(fetched.bytes));
        Ok(())
    }
}

/// A file of the new root that takes what is fetched.
struct InPlace<'a>(&'a mut dyn tree::Growing);

impl Sink for InPlace<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn reset(&mut self) -> io::Result<()> {
        self.0.begin_again()
    }
}
