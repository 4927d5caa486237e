//! Where an object of S3 is: `s3://` and `arn:` URLs, and the names of S3's servers.

use pilotlight_core::hex;
use reqwest::Url;

use crate::error::Cause;
use crate::sigv4::escape;

/// A part of AWS with servers, accounts and names of its own (AWS's `partitions.json`).
pub(crate) struct Partition {
    name: &'static str,
    /// What its regions' names begin with; the first partition has all others.
    prefix: &'static str,
    /// Where a bucket is looked for when nothing is known.
    pub(crate) region: &'static str,
    suffix: &'static str,
    /// Whether S3's servers have names that stand for IPv6 as well.
    dualstack: bool,
}

const PARTITIONS: [Partition; 5] = [
    Partition {
        name: "aws",
        prefix: "",
        region: "us-east-1",
        suffix: "amazonaws.com",
        dualstack: true,
    },
    Partition {
        name: "aws-cn",
        prefix: "cn-",
        region: "cn-north-1",
        suffix: "amazonaws.com.cn",
        dualstack: true,
    },
    Partition {
        name: "aws-us-gov",
        prefix: "us-gov-",
        region: "us-gov-west-1",
        suffix: "amazonaws.com",
        dualstack: true,
    },
    Partition {
        name: "aws-iso",
        prefix: "us-iso-",
        region: "us-iso-east-1",
        suffix: "c2s.ic.gov",
        dualstack: false,
    },
    Partition {
        name: "aws-iso-b",
        prefix: "us-isob-",
        region: "us-isob-east-1",
        suffix: "sc2s.sgov.gov",
        dualstack: false,
    },
];

impl Partition {
    /// The partition that a region belongs to.
    pub(crate) fn of_region(region: &str) -> &'static Self {
        let mut others = PARTITIONS.iter().skip(1);
        others
            .find(|partition| region.starts_with(partition.prefix))
            .unwrap_or(&PARTITIONS[0])
    }
}

/// What holds objects.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    Bucket(String),
    AccessPoint { name: String, account: String },
}

/// An object.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) holder: Holder,
    /// Told by a resource name.
    pub(crate) partition: Option<&'static str>,
    /// Told by a resource name of an access point.
    pub(crate) region: Option<String>,
    /// Escaped as it is sent.
    key: String,
    /// Escaped as it is sent.
    version: Option<String>,
}

impl Place {
    /// Reads `s3://BUCKET/KEY` or `arn:PARTITION:s3:REGION:ACCOUNT:RESOURCE/KEY`, each with
    /// `?versionId=ID` or without. Percent-encoding is undone in the first form; the second has none.
    pub(crate) fn parse(url: &str) -> Result<Self, Cause> {
        let whole = url.split('#').next().unwrap_or_default();
        let (path, query) = match whole.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (whole, None),
        };
        let (scheme, rest) = path.split_once(':').unwrap_or_default();
        let mut place = if scheme.eq_ignore_ascii_case("arn") {
            Self::of_arn(rest)?
        } else {
            let rest = rest.strip_prefix("//").unwrap_or(rest);
            let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
            Self::new(Holder::Bucket(bucket.into()), &unescape(key))
        };
        let version = query
            .into_iter()
            .flat_map(|query| query.split('&'))
            .find_map(|field| match field.split_once('=') {
                Some((name, value)) => (name == "versionId").then_some(value),
                None => (field == "versionId").then_some(""),
            });
        place.version = version.map(|version| escape(&unescape(version), false));
        place.check()?;
        Ok(place)
    }

    fn new(holder: Holder, key: &[u8]) -> Self {
        Self {
            holder,
            partition: None,
            region: None,
            key: escape(key, true),
            version: None,
        }
    }

    fn of_arn(rest: &str) -> Result<Self, Cause> {
        let parts: Vec<&str> = rest.splitn(5, ':').collect();
        let [partition, "s3", region, account, resource] = parts[..] else {
            return Err(invalid("the resource name is none of S3"));
        };
        let partition = PARTITIONS
            .iter()
            .find(|known| known.name == partition)
            .ok_or_else(|| invalid("the resource name is of an unknown partition of AWS"))?;
        let (holder, key) = match resource.strip_prefix("accesspoint/") {
            Some(resource) => {
                let (name, key) = resource.split_once('/').unwrap_or((resource, ""));
                let (name, account) = (name.into(), account.into());
                (Holder::AccessPoint { name, account }, key)
            }
            None => {
                let (bucket, key) = resource.split_once('/').unwrap_or((resource, ""));
                (Holder::Bucket(bucket.into()), key)
            }
        };
        if matches!(holder, Holder::AccessPoint { .. }) && region.is_empty() {
            return Err(invalid(
                "access points of several regions are not supported: name the one of a region",
            ));
        }
        Ok(Self {
            partition: Some(partition.name),
            region: Some(region.to_owned()).filter(|region| !region.is_empty()),
            ..Self::new(holder, key.as_bytes())
        })
    }

    /// What becomes a part of a host's name is no more than that, and what is asked for is sent.
    fn check(&self) -> Result<(), Cause> {
        let (name, region) = (&self.holder, self.region.as_deref());
        let is_name = |name: &str, more: &[u8]| {
            (1..=255).contains(&name.len())
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
        };
        let well_named = match name {
            // Of old, buckets could be named in other ways than today.
            Holder::Bucket(name) => is_name(name, b"-._") && name.bytes().any(|byte| byte != b'.'),
            Holder::AccessPoint { name, account } => is_name(name, b"-") && is_name(account, b""),
        };
        if !well_named || !region.is_none_or(is_region) {
            return Err(invalid("it names no bucket or access point of S3"));
        }
        if self.key.is_empty() {
            return Err(invalid("it names a bucket, but no object in it"));
        }
        if self.key.split('/').any(|part| part == "." || part == "..") {
            return Err(invalid(
                "a part of the object's name is \".\" or \"..\", which is resolved before it is sent",
            ));
        }
        if self.version.as_deref() == Some("") {
            return Err(invalid("the versionId is empty"));
        }
        Ok(())
    }

    /// The name by which the region of what holds the object is remembered.
    pub(crate) fn bucket(&self) -> Option<&str> {
        match &self.holder {
            Holder::Bucket(name) => Some(name),
            Holder::AccessPoint { .. } => None,
        }
    }

    /// The partition, as far as the URL tells it.
    pub(crate) fn partition(&self) -> Option<&'static Partition> {
        let name = self.partition?;
        PARTITIONS.iter().find(|known| known.name == name)
    }

    /// Names and values of the query, escaped.
    pub(crate) fn query(&self) -> Vec<(String, String)> {
        let version = self.version.iter();
        version.map(|id| ("versionId".into(), id.clone())).collect()
    }

    /// The object's URL at a region's servers, or at a server of somebody else's.
    ///
    /// `dualstack` chooses the name that has IPv6 addresses besides IPv4 ones.
    pub(crate) fn url(
        &self,
        region: &str,
        dualstack: bool,
        endpoint: Option<&Url>,
    ) -> Result<Url, Cause> {
        let partition = self.partition();
        let partition = partition.unwrap_or_else(|| Partition::of_region(region));
        let dualstack = match dualstack && partition.dualstack {
            true => "dualstack.",
            false => "",
        };
        let suffix = partition.suffix;
        let mut url = match (&self.holder, endpoint) {
            (Holder::Bucket(bucket), Some(endpoint)) => {
                let base = endpoint.as_str().trim_end_matches('/');
                format!("{base}/{bucket}/")
            }
            (Holder::AccessPoint { .. }, Some(_)) => {
                return Err(invalid("access points exist at AWS alone"));
            }
            (Holder::Bucket(bucket), None) if is_label(bucket) => {
                format!("https://{bucket}.s3.{dualstack}{region}.{suffix}/")
            }
            // Certificates are for names of one part below that of the server.
            (Holder::Bucket(bucket), None) => {
                format!("https://s3.{dualstack}{region}.{suffix}/{bucket}/")
            }
            (Holder::AccessPoint { name, account }, None) => {
                format!("https://{name}-{account}.s3-accesspoint.{dualstack}{region}.{suffix}/")
            }
        };
        url.push_str(&self.key);
        if let Some(version) = &self.version {
            url.push_str("?versionId=");
            url.push_str(version);
        }
        Url::parse(&url).map_err(|error| Cause::InvalidUrl(error.to_string()))
    }
}

/// Whether a text may stand in a host's name as a region.
pub(crate) fn is_region(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&text.len()) && text.bytes().all(plain)
}

/// Whether a bucket's name may be one part of a host's name.
fn is_label(bucket: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    bucket.len() <= 63
        && bucket.bytes().all(plain)
        && !bucket.starts_with('-')
        && !bucket.ends_with('-')
}

fn invalid(why: &str) -> Cause {
    Cause::InvalidUrl(why.to_owned())
}

/// Undoes percent-encoding; what is none stays as it is.
pub(crate) fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = match (first, after) {
            (b'%', [high, low, ..]) => hex::byte(*high, *low),
            _ => None,
        };
        bytes.push(escaped.unwrap_or(first));
        rest = if escaped.is_some() {
            &after[2..]
        } else {
            after
        };
    }
    bytes
}

#[cfg(test)]
#[path = "s3_place_tests.rs"]
mod tests;
