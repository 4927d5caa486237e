//! Files of a scenario.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use super::{Request, Response, Service};

/// URL path → file.
pub struct Files(pub BTreeMap<String, PathBuf>);

impl Service for Files {
    fn answer(&mut self, request: &Request) -> Response {
        if request.method != "GET" {
            return Response::status(405);
        }
        let file = self.0.get(request.path());
        match file.map(fs::read) {
            Some(Ok(body)) => Response::ok(body),
            Some(Err(_)) => Response::status(500),
            None => Response::status(404),
        }
    }
}
