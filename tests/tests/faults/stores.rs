//! Objects that only the machine may read: its platform's metadata service gives what stores want to see, and
//! nobody else sees it.

use pilotlight_tests::Answer;
use pilotlight_tests::faults::{Act, Asked, Authority, Console, Names, Web, isolated, say, tls};

use crate::{Node, SERVER};

const LINK: &str = "169.254.169.254/32";
const DNS: &str = "192.0.2.53/32";
const OBJECT: &str = "QzxObject";
/// All words of secrets begin with it.
const PLANTED: &str = "Qzx";

/// What came of a boot: the machine, the fetch stage's answer, what the console showed, what the store was asked.
struct Outcome {
    node: Node,
    answer: Answer,
    console: String,
    asked: Vec<Asked>,
}

/// Boots on a platform whose user data name one file from a store, which is at `name`.
fn boot(
    platform: &str,
    name: &str,
    source: &str,
    imds: impl Fn(&Asked, &str) -> Act + Send + 'static,
    store: impl FnMut(&Asked) -> Act + Send + 'static,
) -> Outcome {
    let authority = Authority::new("the store's");
    let identity = tls(&authority.issue(&[name], false));
    let pem: String = (authority.pem().bytes())
        .map(|byte| format!("%{byte:02x}"))
        .collect();
    let config = format!(
        r#"{{"ignition":{{"version":"3.4.0","timeouts":{{"httpTotal":30}},
            "security":{{"tls":{{"certificateAuthorities":[{{"source":"data:,{pem}"}}]}}}}}},
            "storage":{{"files":[{{"path":"/etc/f","contents":{{"source":"{source}"}}}}]}}}}"#
    );
    isolated(&[LINK, DNS, SERVER], || {
        Web::start("169.254.169.254:80", move |asked| imds(asked, &config));
        let web = Web::start_tls("192.0.2.1:443", identity, store);
        let node = Node::on(platform, "");
        let names = Names::start("192.0.2.53", name, &["192.0.2.1"], node.directory.path());
        names.wake();
        let console = Console::new(node.directory.path());
        let answer = node.fetch().ends();
        Outcome {
            answer,
            console: console.text(),
            asked: web.asked(),
            node,
        }
    })
}

impl Outcome {
    /// The object came, and nothing that opened the store is shown.
    fn is_fetched(&self) {
        assert_eq!(self.answer.code, Some(0), "{:?}", self.answer);
        assert!(self.has_object(), "{:?}", self.answer);
        self.is_clean();
    }

    fn has_object(&self) -> bool {
        let blobs = std::fs::read_dir(self.node.path("run/ignition.json.blobs"));
        blobs.is_ok_and(|mut blobs| {
            blobs.any(|blob| {
                std::fs::read(blob.unwrap().path()).is_ok_and(|bytes| bytes == OBJECT.as_bytes())
            })
        })
    }

    fn is_refused(&self, words: &str) {
        assert_eq!(self.answer.code, Some(1), "{:?}", self.answer);
        assert!(self.answer.out.contains(words), "{}", self.answer.out);
        assert!(!self.node.has_config());
        self.is_clean();
    }

    fn is_clean(&self) {
        for text in [&self.answer.out, &self.answer.err, &self.console] {
            assert!(!text.contains(PLANTED), "{text}");
        }
        // A stage that failed leaves none.
        let state = std::fs::read_to_string(self.node.path("run/state")).unwrap_or_default();
        assert!(!state.contains(PLANTED), "{state}");
    }
}

/// RFC 4648, section 4.
fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let groups = text.as_bytes().chunks(3).map(|group| {
        let bits = (0..3).fold(0, |bits, at| {
            bits << 8 | usize::from(*group.get(at).unwrap_or(&0))
        });
        let digit = |at: usize| match at <= group.len() {
            true => char::from(DIGITS[bits >> (18 - 6 * at) & 63]),
            false => '=',
        };
        (0..4).map(digit).collect::<String>()
    });
    groups.collect()
}

fn none() -> Act {
    say("404 Not Found", &[], "")
}

const BUCKET: &str = "bucket.s3.dualstack.eu-central-1.amazonaws.com";
const S3: &str = "s3://bucket/a/key?versionId=QzxVersion";

/// Amazon's service: a role with keys, in a region.
fn aws(asked: &Asked, config: &str) -> Act {
    let path = asked.path.split_once("/meta-data/").map(|(_, path)| path);
    match (asked.method.as_str(), asked.path.as_str(), path) {
        ("PUT", "/latest/api/token", _) => say("200 OK", &[], "QzxImdsToken"),
        _ if asked.header("x-aws-ec2-metadata-token") != Some("QzxImdsToken") => {
            say("401 Unauthorized", &[], "")
        }
        (_, "/2019-10-01/user-data", _) => say("200 OK", &[], config),
        (_, _, Some("iam/security-credentials/")) => say("200 OK", &[], "node-role\n"),
        (_, _, Some("iam/security-credentials/node-role")) => say(
            "200 OK",
            &[],
            r#"{"Code":"Success","AccessKeyId":"QzxKeyId","SecretAccessKey":"QzxSecretKey","Token":"QzxRoleToken",
                "Expiration":"2030-01-01T00:00:00Z"}"#,
        ),
        (_, _, Some("placement/region")) => say("200 OK", &[], "eu-central-1"),
        _ => none(),
    }
}

#[test]
fn s3_sees_the_role_of_the_instance() {
    let outcome = boot("aws", BUCKET, S3, aws, |_| say("200 OK", &[], OBJECT));
    outcome.is_fetched();
    let asked = &outcome.asked[0];
    assert_eq!(asked.path, "/a/key?versionId=QzxVersion");
    assert_eq!(asked.header("x-amz-security-token"), Some("QzxRoleToken"));
    let signed = asked.header("authorization").unwrap();
    assert!(
        signed.starts_with("AWS4-HMAC-SHA256 Credential=QzxKeyId/")
            && signed.contains("/eu-central-1/s3/aws4_request"),
        "{signed}"
    );
}

#[test]
fn a_refusal_of_s3_repeats_what_was_sent_and_nobody_reads_it() {
    let outcome = boot("aws", BUCKET, S3, aws, |_| {
        say(
            "403 Forbidden",
            &[],
            "<Error><Code>SignatureDoesNotMatch</Code><Message>The signature is not right.</Message>\
             <AWSAccessKeyId>QzxKeyId</AWSAccessKeyId><StringToSign>QzxRoleToken</StringToSign></Error>",
        )
    });
    outcome.is_refused("SignatureDoesNotMatch");
}

#[test]
fn google_storage_sees_the_token_of_the_instance() {
    let imds = |asked: &Asked, config: &str| {
        let flavor = &["Metadata-Flavor: Google"];
        if asked.header("metadata-flavor") != Some("Google") {
            return say("403 Forbidden", &[], "");
        }
        match asked.path.as_str() {
            path if path.ends_with("/attributes/user-data") => say("200 OK", flavor, config),
            path if path.ends_with("/service-accounts/default/token") => say(
                "200 OK",
                flavor,
                r#"{"access_token":"QzxGoogleToken","expires_in":3599,"token_type":"Bearer"}"#,
            ),
            _ => say("404 Not Found", flavor, ""),
        }
    };
    let name = "storage.googleapis.com";
    let outcome = boot("gcp", name, "gs://bucket/a/key", imds, |_| {
        say("200 OK", &[], OBJECT)
    });
    outcome.is_fetched();
    let asked = &outcome.asked[0];
    assert!(asked.path.contains("/bucket/a/key"), "{}", asked.path);
    let bearer = asked.header("authorization");
    assert_eq!(bearer, Some("Bearer QzxGoogleToken"));
}

#[test]
fn azures_blobs_see_the_identity_of_the_machine() {
    let imds = |asked: &Asked, config: &str| {
        if asked.header("metadata") != Some("true") {
            return say("400 Bad Request", &[], "");
        }
        match asked.path.as_str() {
            path if path.contains("/compute/userData") => say("200 OK", &[], base64(config)),
            path if path.contains("/identity/oauth2/token") => {
                say("200 OK", &[], r#"{"access_token":"QzxAzureToken"}"#)
            }
            path if path.contains("/metadata/instance?") => say("200 OK", &[], "{}"),
            _ => none(),
        }
    };
    let name = "account.blob.core.windows.net";
    let source = "https://account.blob.core.windows.net/box/a/key";
    let outcome = boot("azure", name, source, imds, |asked| {
        match asked.header("authorization") {
            Some("Bearer QzxAzureToken") => say("200 OK", &[], OBJECT),
            _ => say("404 Not Found", &[], ""),
        }
    });
    outcome.is_fetched();
    let last = outcome.asked.last().unwrap();
    assert_eq!(last.path, "/box/a/key");
    assert!(last.header("x-ms-version").is_some(), "{last:?}");
}
