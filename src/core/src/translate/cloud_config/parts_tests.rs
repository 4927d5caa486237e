use super::*;
use crate::diag::Sources;
use crate::{reveal, yaml};

/// The parts as one, and what is said of it.
fn merged(parts: &[&str]) -> (String, String) {
    let (mut sources, mut report) = (Sources::default(), Report::default());
    let mut merging = Merging::default();
    for text in parts {
        let source = sources.add("p", *text);
        let tree = yaml::parse(source, text).unwrap();
        sources.show(source, reveal::of_tree(text, &tree));
        merging.add(tree, None, &mut report);
    }
    (shown(&merging.merged().unwrap()), report.render(&sources))
}

fn shown(node: &Node) -> String {
    match &node.value {
        Value::Null => "null".into(),
        Value::Bool(on) => on.to_string(),
        Value::String(text) | Value::Plain(text) | Value::Number(text) => text.clone(),
        Value::Binary(_) => "binary".into(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(shown).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(members) => {
            let member = |member: &Member| format!("{}: {}", member.key, shown(&member.value));
            let members: Vec<String> = members.iter().map(member).collect();
            format!("{{{}}}", members.join(", "))
        }
    }
}

/// What cloud-init 22.4.2 (cloudinit.mergers) makes of the same texts.
#[test]
fn parts_become_what_cloud_init_makes_of_them() {
    for (parts, expected) in [
        (&["a: 1", "b: 2"][..], "{a: 1, b: 2}"),
        (&["a: 1", "a: 2"], "{a: 2}"),
        (&["a: [1, 2]", "a: [3]"], "{a: [3]}"),
        (&["a: {b: 1}", "a: {c: 2}"], "{a: {c: 2}}"),
        (&["a: 1", "a: 2\nmerge_how: dict()"], "{a: 1}"),
        (
            &["a: {b: 1}", "a: {b: 2, c: 3}\nmerge_how: dict()"],
            "{a: {b: 1, c: 3}}",
        ),
        (
            &[
                "a: [1, 2]",
                "a: [3]\nmerge_how: list(append)+dict(recurse_array)+str()",
            ],
            "{a: [1, 2, 3]}",
        ),
        (
            &[
                "a: [1, 2]",
                "a: [3]\nmerge_how: 'dict(recurse_list)+list(prepend)'",
            ],
            "{a: [3, 1, 2]}",
        ),
        (
            &[
                "a: [1, 2]",
                "a: [3]\nmerge_how: 'dict(recurse_array)+list(no_replace)'",
            ],
            "{a: [1, 2]}",
        ),
        (
            &[
                "a: [1, 2]",
                "a: [3]\nmerge_how: 'dict(recurse_array)+list()'",
            ],
            "{a: [3, 2]}",
        ),
        (
            &["a: [1, 2]", "a: [3]\nmerge_how: 'list(append)'"],
            "{a: [1, 2]}",
        ),
        (
            &[
                "a: [1, 2]",
                "a: [3]\nmerge_type: 'list(append)+dict(recurse_array)'",
            ],
            "{a: [1, 2, 3]}",
        ),
        (
            &["a: x", "a: y\nmerge_how: 'dict(recurse_str)+str(append)'"],
            "{a: xy}",
        ),
        (
            &["a: x", "a: y\nmerge_how: 'dict(recurse_str)+str()'"],
            "{a: y}",
        ),
        (
            &["a: x\nb: 1", "a: null\nmerge_how: 'dict(allow_delete)'"],
            "{b: 1}",
        ),
        (
            &["a: x\nb: 1", "a: null\nmerge_how: 'dict(replace)'"],
            "{a: null, b: 1}",
        ),
        (
            &[
                "a: [1]",
                "a: [2]\nmerge_how:\n - {name: list, settings: [append]}\n - {name: dict, settings: [no_replace, recurse_list]}",
            ],
            "{a: [1, 2]}",
        ),
        (
            &[
                "a: [1]",
                "a: [2]\nmerge_how: [[list, append], [dict, recurse_array]]",
            ],
            "{a: [1, 2]}",
        ),
        (
            &[
                "a: [{b: 1}]",
                "a: [{c: 2}]\nmerge_how: 'dict(recurse_array)+list(recurse_dict)'",
            ],
            "{a: [{b: 1, c: 2}]}",
        ),
        (
            &[
                "a: [1]",
                "a: [2]\nmerge_how: 'list(append)+dict(recurse_array)'",
                "a: [3]",
            ],
            "{a: [3]}",
        ),
        (&["", "a: 1"], "{a: 1}"),
        (&["a: 1", ""], "{a: 1}"),
        (&["a: 1\nmerge_how: 'dict()'"], "{a: 1}"),
    ] {
        assert_eq!(merged(parts).0, expected, "{parts:?}");
    }
}

#[test]
fn what_is_lost_is_said() {
    let (_, said) = merged(&["runcmd: [a]\nhostname: n", "runcmd: [b]\nhostname: n"]);
    insta::assert_snapshot!(said, @r#"
    p:1:1: warning: "runcmd" takes the place of what an earlier part says of it, as with cloud-init
      1 | runcmd: […]
        | ^^^^^^
      said earlier at: p:1:1
      help: write merge_how: "list(append)+dict(recurse_array)+str()" into the later one to have both
    "#);
    for how in ["dict()+tuple()", "7", "{a: b}", "dict", "[[tuple]]", "'('"] {
        let (_, said) = merged(&["a: 1", &format!("a: 2\nmerge_how: {how}")]);
        assert!(
            said.contains("warning: this way to merge cloud-configs is not known"),
            "{how}: {said}"
        );
    }
}

#[test]
fn long_lists_are_not_merged() {
    let long: String = (0..5000).map(|number| format!("k{number}: 1\n")).collect();
    let (tree, _) = merged(&["a: 1", &long, "b: 2"]);
    assert!(tree.starts_with("{k0: 1, "), "{tree}");
}
