use super::*;

const NEWEST: &str = "variant: fcos\nversion: 1.7.0";

#[test]
fn a_tree_says_owner_and_modes_of_what_it_holds() {
    let json = means(
        NEWEST,
        "storage:
  trees: [{local: tree, path: /opt/app, user: {name: app}, group: {id: 5}, file_mode: 0640, dir_mode: 0750}]
  files: [{path: /opt/app/etc/app.conf, mode: 0600}]
  directories: [{path: /opt/app/bin, mode: 0700}]",
    );
    let owned = |path: &str, mode: u32| json!({"path": path, "mode": mode, "user": {"name": "app"}, "group": {"id": 5}});
    let storage = &json["storage"];
    assert_eq!(
        storage["directories"],
        json!([
            {"path": "/opt/app/bin", "mode": 0o700},
            owned("/opt/app", 0o750),
            owned("/opt/app/etc", 0o750)
        ]),
        "an entry of the config counts before the tree"
    );
    let mut run = storage["files"][1].clone();
    run.as_object_mut().unwrap().remove("contents");
    assert_eq!(run, owned("/opt/app/bin/run", 0o640));
    let mut conf = storage["files"][0].clone();
    conf.as_object_mut().unwrap().remove("contents");
    assert_eq!(
        conf,
        json!({"path": "/opt/app/etc/app.conf", "mode": 0o600})
    );
    assert_eq!(
        storage["links"],
        json!([{"path": "/opt/app/etc/link", "target": "app.conf", "user": {"name": "app"}, "group": {"id": 5}}])
    );
}

#[test]
fn a_tree_that_says_no_owner_has_no_directories() {
    let json = means(
        NEWEST,
        "storage: {trees: [{local: tree, path: /opt, file_mode: 0600}]}",
    );
    assert!(json["storage"].get("directories").is_none());
    assert_eq!(json["storage"]["files"][0]["mode"], 0o600);
    let (_, said) = read(
        "variant: fcos\nversion: 1.6.0",
        "storage: {trees: [{local: tree, path: /opt, dir_mode: 0700}]}",
    );
    assert_eq!(
        said,
        ["c.bu:3:45: warning: key \"dir_mode\" is not part of fcos 1.6.0: it has no effect"]
    );
}

#[test]
fn directories_of_trees_collide_and_do_not_take_the_root_in_silence() {
    let (json, said) = read(NEWEST, "storage: {trees: [{local: tree, dir_mode: 0750}]}");
    assert_eq!(
        said[0],
        "c.bu:3:43: warning: the tree's owner and directory mode are given to / itself"
    );
    assert_eq!(
        json["storage"]["directories"][0],
        json!({"path": "/", "mode": 0o750})
    );
    assert_eq!(
        refused(
            NEWEST,
            "storage:
  trees: [{local: tree, path: /opt, dir_mode: 0750}]
  links: [{path: /opt/etc, target: /srv}]"
        ),
        "c.bu:4:19: error: the tree holds /opt/etc, which the config asks for, too"
    );
    assert_eq!(
        refused(
            NEWEST,
            "storage:
  trees:
    - {local: tree/bin, path: /opt, dir_mode: 0750}
    - {local: tree/etc, path: /opt, user: {id: 5}}"
        ),
        "c.bu:6:15: error: the tree holds /opt, which the config asks for, too"
    );
}
