//! What more than one test asks.

use pilotlight_tests::faults::{Act, Asked, say};

/// Azure's wireserver.
pub fn wireserver(asked: &Asked) -> Act {
    match (asked.method.as_str(), asked.path.as_str()) {
        ("GET", "/machine/?comp=goalstate") => say(
            "200 OK",
            &[],
            "<GoalState><Incarnation>7</Incarnation><Container><ContainerId>c-a</ContainerId><RoleInstanceList>\
             <RoleInstance><InstanceId>i-a</InstanceId></RoleInstance></RoleInstanceList></Container></GoalState>",
        ),
        ("POST", "/machine/?comp=health") => {
            let body = String::from_utf8(asked.body.clone()).unwrap();
            assert!(body.contains("<State>Ready</State>"), "{body}");
            say("200 OK", &[], "")
        }
        other => panic!("{other:?}"),
    }
}
