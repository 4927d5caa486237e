//! What a machine may show to the stores of its cloud.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::Cause;

/// An answer of [`Credentials`]: `Ok(None)` where the machine has none, being in another cloud or without a
/// role; the error says why a machine that has them could not get at them.
pub type Asked<'a, T> = Pin<Box<dyn Future<Output = Result<Option<T>, String>> + 'a>>;

/// Where credentials come from: a cloud's metadata server, the environment.
///
/// They are asked for when a store is, and each kind at most once a client, unless a store says that
/// what it was shown has expired.
pub trait Credentials {
    /// Keys for S3, of the machine's IAM role.
    fn aws(&self) -> Asked<'_, AwsKeys>;
    /// The AWS region that the machine is in, where buckets are looked for first.
    fn aws_region(&self) -> Asked<'_, String>;
    /// A token for Google's storage, of the machine's service account.
    fn gcp(&self) -> Asked<'_, Token>;
    /// A token of the machine's managed identity for a resource, `https://storage.azure.com/`.
    fn azure(&self, resource: &'static str) -> Asked<'_, Token>;
}

/// Keys of AWS. They have no `Debug`: they are secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct AwsKeys {
    /// Access key ID.
    pub id: String,
    /// Secret access key.
    pub secret: String,
    /// Session token, of keys that expire.
    pub token: Option<String>,
}

/// A bearer token (RFC 6750). It has no `Debug`: it is a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(pub String);

/// An answer that is kept: whether it was asked for, and what it was.
type Kept<T> = RefCell<Option<Option<T>>>;

/// What one client knows about stores and itself.
pub(crate) struct Keyring {
    source: Option<Rc<dyn Credentials>>,
    aws: Kept<AwsKeys>,
    region: Kept<String>,
    gcp: Kept<Token>,
    azure: Kept<Token>,
    /// Regions of buckets.
    pub(crate) buckets: RefCell<BTreeMap<String, String>>,
    /// Seconds by which the stores' clocks are ahead of the machine's.
    ahead: Cell<i64>,
}

impl Keyring {
    pub(crate) fn new(source: Option<Rc<dyn Credentials>>) -> Self {
        Self {
            source,
            aws: Kept::default(),
            region: Kept::default(),
            gcp: Kept::default(),
            azure: Kept::default(),
            buckets: RefCell::default(),
            ahead: Cell::new(0),
        }
    }

    /// Keys for S3; `anew` forgets the ones that were used before.
    pub(crate) async fn aws(&self, anew: bool) -> Result<Option<AwsKeys>, Cause> {
        kept(&self.aws, anew, || Some(self.source.as_ref()?.aws())).await
    }

    pub(crate) async fn aws_region(&self) -> Result<Option<String>, Cause> {
        let ask = || Some(self.source.as_ref()?.aws_region());
        kept(&self.region, false, ask).await
    }

    pub(crate) async fn gcp(&self, anew: bool) -> Result<Option<Token>, Cause> {
        kept(&self.gcp, anew, || Some(self.source.as_ref()?.gcp())).await
    }

    pub(crate) async fn azure(&self, anew: bool) -> Result<Option<Token>, Cause> {
        let resource = "https://storage.azure.com/";
        let ask = || Some(self.source.as_ref()?.azure(resource));
        kept(&self.azure, anew, ask).await
    }

    /// Seconds since 1970 by the stores' clocks.
    pub(crate) fn now(&self) -> u64 {
        own_clock().saturating_add_signed(self.ahead.get())
    }

    /// Sets the clock by a store's, in seconds since 1970.
    pub(crate) fn set_clock(&self, theirs: u64) {
        let difference = i128::from(theirs) - i128::from(own_clock());
        // Both are below 2^38 on any clock that can be set; otherwise the machine's own is as good.
        self.ahead.set(i64::try_from(difference).unwrap_or(0));
    }
}

fn own_clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

async fn kept<'a, T: Clone>(
    kept: &Kept<T>,
    anew: bool,
    ask: impl FnOnce() -> Option<Asked<'a, T>>,
) -> Result<Option<T>, Cause> {
    if let Some(known) = kept.borrow().as_ref().filter(|_| !anew) {
        return Ok(known.clone());
    }
    let answer = match ask() {
        Some(asked) => asked.await.map_err(Cause::Credentials)?,
        None => None,
    };
    *kept.borrow_mut() = Some(answer.clone());
    Ok(answer)
}
