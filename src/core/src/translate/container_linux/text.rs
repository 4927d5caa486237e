//! Texts of units: what stands within quotes, and variables in the place of addresses.

use crate::diag::Span;
use crate::spec::v2;
use crate::spec::v3;
use crate::translate::{Translation, at};

/// What the machine only knows when it runs, and the variables that the metadata service has for it on
/// each platform. Of all of them only one platform's are set, so that one after the other they are the value.
pub(in crate::translate) const DYNAMIC: &[(&str, &[&str])] = &[
    (
        "HOSTNAME",
        &[
            "COREOS_EC2_HOSTNAME",
            "COREOS_GCE_HOSTNAME",
            "COREOS_PACKET_HOSTNAME",
            "COREOS_DIGITALOCEAN_HOSTNAME",
            "COREOS_OPENSTACK_HOSTNAME",
        ],
    ),
    (
        "PRIVATE_IPV4",
        &[
            "COREOS_EC2_IPV4_LOCAL",
            "COREOS_GCE_IP_LOCAL_0",
            "COREOS_AZURE_IPV4_DYNAMIC",
            "COREOS_PACKET_IPV4_PRIVATE_0",
            "COREOS_DIGITALOCEAN_IPV4_PRIVATE_0",
            "COREOS_OPENSTACK_IPV4_LOCAL",
        ],
    ),
    (
        "PUBLIC_IPV4",
        &[
            "COREOS_EC2_IPV4_PUBLIC",
            "COREOS_GCE_IP_EXTERNAL_0",
            "COREOS_AZURE_IPV4_VIRTUAL",
            "COREOS_PACKET_IPV4_PUBLIC_0",
            "COREOS_DIGITALOCEAN_IPV4_PUBLIC_0",
            "COREOS_OPENSTACK_IPV4_PUBLIC",
        ],
    ),
    ("PRIVATE_IPV6", &["COREOS_DIGITALOCEAN_IPV6_PRIVATE_0"]),
    (
        "PUBLIC_IPV6",
        &[
            "COREOS_PACKET_IPV6_PUBLIC_0",
            "COREOS_DIGITALOCEAN_IPV6_PUBLIC_0",
        ],
    ),
];

pub(super) fn unit(name: &str, dropin: &str, text: String, span: Option<Span>) -> v2::Unit {
    v2::Unit {
        at: span,
        name: at(name.to_string(), span),
        enabled: at(true, span),
        dropins: vec![v3::Dropin {
            at: span,
            name: at(dropin.to_string(), span),
            contents: at(text, span),
        }],
        ..v2::Unit::default()
    }
}

/// Puts variables in the place of `{PRIVATE_IPV4}` and its kin; tells whether there were any.
pub(super) fn with_variables(text: &str) -> (String, bool) {
    let mut text = text.to_string();
    let mut any = false;
    for (name, variables) in DYNAMIC {
        let mark = format!("{{{name}}}");
        if text.contains(&mark) {
            let all: String = variables
                .iter()
                .map(|variable| format!("${{{variable}}}"))
                .collect();
            text = text.replace(&mark, &all);
            any = true;
        }
    }
    (text, any)
}

/// A text for the inside of double quotes in a unit (systemd.syntax(7)).
pub(super) fn quoted(text: &str, span: Option<Span>, cx: &mut Translation<'_>) -> Option<String> {
    if text.contains(['\n', '\r', '\0']) {
        cx.report
            .error(span, "a line break cannot stand in an option");
        return None;
    }
    Some(text.replace('\\', "\\\\").replace('"', "\\\""))
}
