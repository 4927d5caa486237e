//! The OVF environment of a machine (DMTF DSP0243, "OVF Environment Document"): properties that a vApp's owner has set.

use std::ops::Range;

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

/// How deep elements stand, and how many there are.
const MAX_DEPTH: usize = 64;
const MAX_PARTS: usize = 10_000;

/// A property of the machine itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// Its key, such as `guestinfo.ignition.config.data`.
    pub key: String,
    /// Its value.
    pub value: String,
    /// Its element in the document, in bytes.
    span: Range<usize>,
}

/// The properties of the machine itself: those of its neighbours in the vApp stand in elements of their own.
pub fn properties(document: &str) -> Result<Vec<Property>, String> {
    let text = document.trim_start_matches('\u{feff}');
    let skipped = document.len() - text.len();
    let mut reader = Reader::from_str(text);
    let mut path: Vec<Vec<u8>> = Vec::new();
    let mut found: Vec<Property> = Vec::new();
    let mut open = None;
    for _ in 0..MAX_PARTS {
        let at = |reader: &Reader<&[u8]>| {
            let position = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
            position.saturating_add(skipped)
        };
        let start = at(&reader);
        let event = reader.read_event().map_err(|error| error.to_string())?;
        let end = at(&reader);
        match event {
            Event::Start(element) => {
                if path.len() == MAX_DEPTH {
                    return Err(format!("its elements are more than {MAX_DEPTH} deep"));
                }
                if is_own(&path) && element.local_name().as_ref() == b"Property" {
                    open = property(&element, start..end)?;
                }
                path.push(element.local_name().as_ref().to_vec());
            }
            Event::Empty(element)
                if is_own(&path) && element.local_name().as_ref() == b"Property" =>
            {
                found.extend(property(&element, start..end)?);
            }
            Event::End(_) => {
                path.pop();
                if is_own(&path)
                    && let Some(property) = open.take()
                {
                    let span = property.span.start..end;
                    found.push(Property { span, ..property });
                }
            }
            Event::Eof if path.is_empty() => return Ok(found),
            Event::Eof => return Err("it ends within an element".into()),
            _ => {}
        }
    }
    Err(format!("it has more than {MAX_PARTS} parts"))
}

fn is_own(path: &[Vec<u8>]) -> bool {
    let names: Vec<&[u8]> = path.iter().map(Vec::as_slice).collect();
    names == [&b"Environment"[..], b"PropertySection"]
}

fn property(element: &BytesStart<'_>, span: Range<usize>) -> Result<Option<Property>, String> {
    let (mut key, mut value) = (None, None);
    for attribute in element.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let text = attribute
            .decoded_and_normalized_value(XmlVersion::Implicit1_0, element.decoder())
            .map_err(|error| error.to_string())?;
        match attribute.key.local_name().as_ref() {
            b"key" => key = Some(text.into_owned()),
            b"value" => value = Some(text.into_owned()),
            _ => {}
        }
    }
    Ok(key.map(|key| Property {
        key,
        value: value.unwrap_or_default(),
        span,
    }))
}

/// The document without the properties of these keys; `None` where it has none of them.
pub fn without(document: &str, keys: &[String]) -> Result<Option<String>, String> {
    let mut rest = document.to_string();
    let mut is_changed = false;
    for property in properties(document)?.iter().rev() {
        if keys.contains(&property.key) {
            rest.replace_range(property.span.clone(), "");
            is_changed = true;
        }
    }
    Ok(is_changed.then_some(rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::ProptestConfig;

    const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Environment \
        xmlns=\"http://schemas.dmtf.org/ovf/environment/1\" xmlns:oe=\"http://schemas.dmtf.org/ovf/environment/1\" \
        oe:id=\"\">";

    #[test]
    fn properties_are_the_machines_own() {
        for (inner, expected) in [
            (
                "<PropertySection><Property oe:key=\"a\" oe:value=\"b\"/></PropertySection>",
                vec![("a", "b")],
            ),
            (
                "<PropertySection><Property oe:key=\"a\" oe:value=\"b\"></Property></PropertySection>",
                vec![("a", "b")],
            ),
            (
                "<PropertySection><Property key='a' value='&lt;&amp;&#x7b;&quot;'/></PropertySection>",
                vec![("a", "<&{\"")],
            ),
            (
                "<PropertySection><Property oe:value=\"b\" oe:key=\"a\"/><Property oe:key=\"c\"/></PropertySection>",
                vec![("a", "b"), ("c", "")],
            ),
            (
                "<oe:PropertySection><oe:Property oe:key=\"a\" oe:value=\"b\"/></oe:PropertySection>",
                vec![("a", "b")],
            ),
            (
                "<PlatformSection><Kind>x</Kind></PlatformSection><!-- c --><PropertySection>\n \
                 <Property oe:key=\"a\" oe:value=\"b\"/>\n</PropertySection>",
                vec![("a", "b")],
            ),
            // A neighbour's.
            (
                "<Entity oe:id=\"vm-2\"><PropertySection><Property oe:key=\"a\" oe:value=\"b\"/></PropertySection></Entity>",
                vec![],
            ),
            ("<Property oe:key=\"a\" oe:value=\"b\"/>", vec![]),
            (
                "<PropertySection><Property oe:value=\"b\"/></PropertySection>",
                vec![],
            ),
            ("<PropertySection/>", vec![]),
            ("", vec![]),
        ] {
            let found = properties(&format!("{HEAD}{inner}</Environment>\n")).unwrap();
            let found = found
                .iter()
                .map(|one| (one.key.as_str(), one.value.as_str()));
            assert_eq!(found.collect::<Vec<_>>(), expected, "{inner}");
        }
        for broken in [
            "<Environment>",
            "<Environment><PropertySection><Property key=></PropertySection></Environment>",
        ] {
            assert!(properties(broken).is_err(), "{broken}");
        }
        let deep = "<a>".repeat(100);
        assert!(properties(&deep).unwrap_err().contains("deep"));
    }

    proptest::proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn nothing_panics_whatever_comes(
            inner in "(<Environment>|<PropertySection>|<Property key='a' value='b'|/>|>|</Property>|</Environment>|é|&#x0;|<!--|[<>='& ]){0,24}"
        ) {
            let keys = ["a".to_string()];
            let whole = format!("<Environment><PropertySection>{inner}</PropertySection></Environment>");
            for text in [inner, whole] {
                if let Ok(Some(rest)) = without(&text, &keys) {
                    // What is left is read, and has no such property.
                    let left = properties(&rest);
                    let is_gone = |all: &[Property]| all.iter().all(|one| one.key != "a");
                    proptest::prop_assert!(left.is_ok_and(|all| is_gone(&all)), "{text} became {rest}");
                }
            }
        }
    }

    #[test]
    fn what_is_taken_away_leaves_the_rest() {
        let keys = ["a".to_string(), "b".to_string()];
        for (inner, expected) in [
            (
                "<Property oe:key=\"a\" oe:value=\"1\"/><Property oe:key=\"c\"/>",
                Some("<Property oe:key=\"c\"/>"),
            ),
            (
                "<Property oe:key=\"c\"/><Property oe:key=\"a\"></Property><Property oe:key=\"b\"/>",
                Some("<Property oe:key=\"c\"/>"),
            ),
            ("<Property oe:key=\"a\">\n</Property>\u{e9}", Some("\u{e9}")),
            ("<Property oe:key=\"c\"/>", None),
            ("", None),
        ] {
            let whole = |inner: &str| {
                format!("\u{feff}{HEAD}<PropertySection>{inner}</PropertySection></Environment>")
            };
            let rest = without(&whole(inner), &keys).unwrap();
            assert_eq!(rest, expected.map(whole), "{inner}");
        }
        assert!(without("<Environment>", &keys).is_err());
    }
}
