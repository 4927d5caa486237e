use super::*;

fn at(url: &str, region: &str) -> String {
    let place = Place::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
    let region = place.region.clone().unwrap_or(region.to_owned());
    place.url(&region, true, None).unwrap().to_string()
}

#[test]
fn objects_are_where_aws_says() {
    for (url, region, wanted) in [
        (
            "s3://bucket/a/b%20c+d",
            "eu-central-1",
            "https://bucket.s3.dualstack.eu-central-1.amazonaws.com/a/b%20c%2Bd",
        ),
        (
            "S3://bucket/k?versionId=a/b&x=y#z",
            "us-east-1",
            "https://bucket.s3.dualstack.us-east-1.amazonaws.com/k?versionId=a%2Fb",
        ),
        (
            "s3://dots.in.it/k",
            "us-west-2",
            "https://s3.dualstack.us-west-2.amazonaws.com/dots.in.it/k",
        ),
        (
            "s3://Old_Name/k",
            "us-east-1",
            "https://s3.dualstack.us-east-1.amazonaws.com/Old_Name/k",
        ),
        (
            "s3://bucket//k//",
            "cn-northwest-1",
            "https://bucket.s3.dualstack.cn-northwest-1.amazonaws.com.cn//k//",
        ),
        (
            "s3://bucket/b\u{fc}cher",
            "us-gov-east-1",
            "https://bucket.s3.dualstack.us-gov-east-1.amazonaws.com/b%C3%BCcher",
        ),
        (
            "arn:aws:s3:::bucket/key%20x?versionId=v",
            "us-east-2",
            "https://bucket.s3.dualstack.us-east-2.amazonaws.com/key%2520x?versionId=v",
        ),
        (
            "arn:aws-iso:s3:::bucket/key",
            "us-iso-east-1",
            "https://bucket.s3.us-iso-east-1.c2s.ic.gov/key",
        ),
        (
            "arn:aws:s3:us-west-2:123456789012:accesspoint/node/a/b",
            "eu-west-1",
            "https://node-123456789012.s3-accesspoint.dualstack.us-west-2.amazonaws.com/a/b",
        ),
    ] {
        assert_eq!(at(url, region), wanted, "{url}");
    }
    let place = Place::parse("s3://bucket/k").unwrap();
    let url = place.url("eu-west-1", false, None).unwrap();
    assert_eq!(url.as_str(), "https://bucket.s3.eu-west-1.amazonaws.com/k");
    let own = Url::parse("http://minio.example:9000/").unwrap();
    let url = place.url("x", true, Some(&own)).unwrap();
    assert_eq!(url.as_str(), "http://minio.example:9000/bucket/k");
}

#[test]
fn what_is_no_object_is_refused() {
    for (url, words) in [
        ("s3://bucket", "no object"),
        ("s3://bucket/", "no object"),
        ("s3:///key", "no bucket"),
        ("s3://a@b/key", "no bucket"),
        ("s3://../key", "no bucket"),
        ("s3://bucket/a/../b", "\"..\""),
        ("s3://bucket/%2e/b", "\"..\""),
        ("s3://bucket/k?versionId=", "versionId is empty"),
        ("s3://bucket/k?x&versionId", "versionId is empty"),
        ("arn:aws:s3:::bucket", "no object"),
        ("arn:aws:iam::1:role/x", "none of S3"),
        ("arn:azure:s3:::b/k", "unknown partition"),
        ("arn:aws:s3::1:accesspoint/m.mrap/k", "several regions"),
        ("arn:aws:s3:a.example/:1:accesspoint/m/k", "no bucket"),
        ("arn:aws:s3:eu-west-1:1.evil:accesspoint/m/k", "no bucket"),
    ] {
        let said = match Place::parse(url) {
            Err(error) => error.to_string(),
            Ok(place) => panic!("{url}: {place:?}"),
        };
        assert!(said.contains(words), "{url}: {said}");
    }
}

#[test]
fn percent_encoding_is_undone_once() {
    for (text, bytes) in [
        ("", &b""[..]),
        ("a%20b", b"a b"),
        ("%2520", b"%20"),
        ("%C3%bc", "\u{fc}".as_bytes()),
        ("%", b"%"),
        ("%4", b"%4"),
        ("%+1%zz", b"%+1%zz"),
    ] {
        assert_eq!(unescape(text), bytes, "{text}");
    }
}
