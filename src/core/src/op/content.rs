//! Contents that an operation writes: named by digest, shown without secrets.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use crate::{dataurl, hex};

/// Where contents come from when the operation is performed.
#[derive(Clone, PartialEq, Eq)]
pub enum ContentSource {
    /// They are known: the text of a unit.
    Inline(Arc<[u8]>),
    /// They are in a `data:` URL, which is decoded when they are written.
    Url(Arc<str>),
    /// They were or will be fetched; the key finds them in the blob store.
    Fetched {
        /// [`crate::model::Resource`]'s key in the blob store.
        key: String,
    },
}

impl ContentSource {
    /// The bytes, where they are known by now.
    pub fn known(&self) -> Option<Cow<'_, [u8]>> {
        match self {
            ContentSource::Inline(bytes) => Some(Cow::Borrowed(bytes)),
            // Of one that is no data URL nothing is known; planning makes none of those.
            ContentSource::Url(url) => dataurl::decode(url).ok().map(Cow::Owned),
            ContentSource::Fetched { .. } => None,
        }
    }
}

/// Contents to be written. Printing and serializing show origin, length and digest, never the bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Content {
    /// How the origin is shown: a URL without secrets, "unit text".
    pub shown: Cow<'static, str>,
    /// Where the bytes come from.
    pub source: ContentSource,
    /// SHA-256 of the bytes in hexadecimal digits, where known before they are written.
    pub sha256: Option<Arc<str>>,
    /// Length in bytes, where known.
    pub len: Option<u64>,
}

impl Content {
    /// Known contents.
    pub fn inline(shown: impl Into<Cow<'static, str>>, bytes: impl Into<Vec<u8>>) -> Self {
        let bytes: Arc<[u8]> = bytes.into().into();
        let source = ContentSource::Inline(Arc::clone(&bytes));
        Self::known(shown.into(), &bytes, source)
    }

    /// Contents in a `data:` URL.
    pub fn of_url(shown: &'static str, url: &Arc<str>) -> Result<Self, String> {
        let source = ContentSource::Url(Arc::clone(url));
        Ok(Self::known(shown.into(), &dataurl::decode(url)?, source))
    }

    fn known(shown: Cow<'static, str>, bytes: &[u8], source: ContentSource) -> Self {
        Self {
            shown,
            source,
            sha256: Some(hex::encode(&Sha256::digest(bytes)).into()),
            len: Some(bytes.len() as u64),
        }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)?;
        match self.len {
            Some(len) => write!(f, " ({len} bytes)"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content")
            .field("shown", &self.shown)
            .field("sha256", &self.sha256)
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let mut out = serializer.serialize_struct("Content", 3)?;
        out.serialize_field("from", &self.shown)?;
        out.serialize_field("sha256", &self.sha256)?;
        out.serialize_field("bytes", &self.len)?;
        out.end()
    }
}
