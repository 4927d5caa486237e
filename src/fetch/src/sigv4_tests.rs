//! Against the signatures that AWS publishes: its Signature Version 4 test suite, and the examples of the
//! S3 API reference ("Authenticating Requests: Using the Authorization Header").
use super::*;

/// The suite's keys: examples that AWS's documentation uses throughout.
fn keys(id: &str) -> AwsKeys {
    let slash = if id == "AKIDEXAMPLE" { "+" } else { "/" };
    AwsKeys {
        id: id.into(),
        secret: format!("wJalrXUtnFEMI/K7MDENG{slash}bPxRfiCYEXAMPLEKEY"),
        token: None,
    }
}

fn pairs(query: &[(&str, &str)]) -> Vec<(String, String)> {
    let own = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
    query.iter().map(own).collect()
}

/// A request of the test suite, which all have the same host and time.
fn suite(
    method: &str,
    path: &str,
    query: &[(&str, &str)],
    more: &[(&str, &str)],
) -> (String, String) {
    let time = "20150830T123600Z";
    let basic = [("host", "example.amazonaws.com"), ("x-amz-date", time)];
    let signed = Signing {
        method,
        path,
        query: &pairs(query),
        headers: &[&basic, more].concat(),
        payload: EMPTY_SHA256,
        time,
        region: "us-east-1",
        service: "service",
    }
    .authorization(&keys("AKIDEXAMPLE"));
    let rest = signed
        .strip_prefix(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request,SignedHeaders=",
        )
        .unwrap();
    let (names, signature) = rest.split_once(",Signature=").unwrap();
    (names.into(), signature.into())
}

#[test]
fn requests_of_the_test_suite_are_signed_as_published() {
    let unreserved = "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    for (name, got, signature) in [
        (
            "get-vanilla",
            suite("GET", "/", &[], &[]),
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        (
            "get-vanilla-empty-query-key",
            suite("GET", "/", &[("Param1", "value1")], &[]),
            "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
        ),
        (
            "get-vanilla-query-order-key-case",
            suite(
                "GET",
                "/",
                &[("Param2", "value2"), ("Param1", "value1")],
                &[],
            ),
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            "get-utf8",
            suite("GET", &escape("/\u{1234}".as_bytes(), true), &[], &[]),
            "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
        ),
        (
            "get-vanilla-utf8-query",
            suite(
                "GET",
                "/",
                &[(&escape("\u{1234}".as_bytes(), false), "bar")],
                &[],
            ),
            "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
        ),
        (
            "get-unreserved",
            suite("GET", &escape(unreserved.as_bytes(), true), &[], &[]),
            "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
        ),
        (
            "get-header-value-trim",
            suite(
                "GET",
                "/",
                &[],
                &[("my-header1", " value1"), ("my-header2", " \"a   b   c\"")],
            ),
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        ),
        (
            "get-header-key-duplicate",
            suite(
                "GET",
                "/",
                &[],
                &[
                    ("my-header1", "value2"),
                    ("my-header1", "value2"),
                    ("my-header1", "value1"),
                ],
            ),
            "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
        ),
        (
            "post-vanilla",
            suite("POST", "/", &[], &[]),
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
        (
            "post-sts-header-before",
            suite("POST", "/", &[], &[("x-amz-security-token", SESSION)]),
            "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
        ),
    ] {
        assert_eq!(got.1, signature, "{name}");
    }
    let (names, _) = suite("POST", "/", &[], &[("x-amz-security-token", SESSION)]);
    assert_eq!(names, "host;x-amz-date;x-amz-security-token");
}

/// The suite's session token.
const SESSION: &str = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";

#[test]
fn requests_to_s3_are_signed_as_documented() {
    let time = "20130524T000000Z";
    let basic = [
        ("host", "examplebucket.s3.amazonaws.com"),
        ("x-amz-content-sha256", EMPTY_SHA256),
        ("x-amz-date", time),
    ];
    let range: &[_] = &[("range", "bytes=0-9")];
    for (path, query, more, signature) in [
        (
            "/test.txt",
            pairs(&[]),
            range,
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            "/",
            pairs(&[("lifecycle", "")]),
            &[],
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            "/",
            pairs(&[("prefix", "J"), ("max-keys", "2")]),
            &[],
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ] {
        let signed = Signing {
            method: "GET",
            path,
            query: &query,
            headers: &[&basic, more].concat(),
            payload: EMPTY_SHA256,
            time,
            region: "us-east-1",
            service: "s3",
        }
        .authorization(&keys("AKIAIOSFODNN7EXAMPLE"));
        assert!(
            signed.ends_with(&format!("Signature={signature}")),
            "{signed}"
        );
    }
}

#[test]
fn keys_are_escaped_as_s3_wants_it() {
    for (key, escaped) in [
        ("a/b.txt", "a/b.txt"),
        ("a b+c", "a%20b%2Bc"),
        ("%41=~*'()", "%2541%3D~%2A%27%28%29"),
        ("b\u{fc}cher", "b%C3%BCcher"),
        ("//a/", "//a/"),
    ] {
        assert_eq!(escape(key.as_bytes(), true), escaped);
    }
    assert_eq!(escape(b"a/b", false), "a%2Fb");
}
