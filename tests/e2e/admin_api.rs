//! The admin API against its own document: Schemathesis makes requests from `/openapi.json`, as each of two tenants. `cargo xtask
//! conformance admin-api` lays it and runs this.

use modelet_tests::{Function, TestHost, places, tenants};
use serde_json::{Value, json};
use std::env;
use std::fs;
use std::process::{Command, Stdio};

/// Requests that are made of each operation and each kind of data, beside those at the edges of what the document allows.
const EXAMPLES: &str = "15";
/// What every answer has to be; the last is of `tests/conformance/admin_api.py`.
const CHECKS: &str =
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,no_other_tenant";

/// A tenant with something of everything, all of it named by a text that nobody can guess.
struct Team {
    secret: String,
    told: Value,
}

impl Team {
    fn furnish(host: &TestHost, mark: &str) -> Self {
        let (tenant, path) = (format!("t-{mark}"), format!("/p-{mark}"));
        tenants::create(host, &tenant, &[&path]);
        let function = Function::guest("hello").named(&format!("f-{mark}")).route(&format!("path = \"{path}/x\""));
        for limits in ["", "[limits]\ntime = \"3s\"\n"] {
            tenants::deploy(host, &tenant, &function.clone().with(limits));
        }
        let model = places::model("identity_f32").display().to_string();
        let (name, label) = (format!("m-{mark}"), format!("l-{mark}"));
        host.modelet(["model", "push", &model, "--name", &name, "--label", &label, "--tenant", &tenant]).done();
        let file = host.scratch().join(format!("{mark}.txt"));
        fs::write(&file, format!("value-{mark}")).unwrap();
        let (secret, file) = (format!("s-{mark}"), file.display().to_string());
        host.modelet(["secret", "set", &secret, "--file", &file, "--tenant", &tenant]).done();
        let key = |scope: &str| {
            let wanted = json!({ "tenant": tenant, "scopes": [scope] }).to_string();
            host.admin("POST", "/v1/keys", wanted.as_bytes()).json()
        };
        let (own, other) = (key("admin"), key("read"));
        let id = other["key"]["id"].as_str().unwrap().to_owned();
        let names =
            json!({ "function": format!("f-{mark}"), "model": name, "label": label, "key": id, "secret": secret });
        let told = json!({ "tenant": tenant, "names": names, "marks": [mark, id, own["key"]["id"]] });
        Self { secret: own["secret"].as_str().unwrap().to_owned(), told }
    }

    /// Has Schemathesis ask as this tenant.
    fn probe(&self, other: &Self, host: &TestHost) {
        let program = env::var_os("MODELET_SCHEMATHESIS");
        let program = program.expect("run `cargo xtask conformance admin-api`, which installs it");
        let mut run = Command::new(program);
        run.arg("run").arg(format!("{}/openapi.json", host.admin_url));
        run.args(["--header", &format!("authorization: Bearer {}", self.secret), "--checks", CHECKS]);
        run.args(["--phases", "examples,coverage,fuzzing", "--max-examples", EXAMPLES, "--continue-on-failure"]);
        run.args(["--warnings", "off", "--no-color"]);
        run.env("SCHEMATHESIS_HOOKS", "admin_api").env("PYTHONPATH", places::repository().join("tests/conformance"));
        run.env("PYTHONDONTWRITEBYTECODE", "1");
        run.env("OWN", self.told.to_string()).env("OTHER", other.told.to_string());
        let ran = run.current_dir(host.scratch()).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success(), "{said}\n{}", String::from_utf8_lossy(&ran.stderr));
        eprintln!("{}", said.rsplit("SUMMARY").next().unwrap_or_default());
    }
}

#[test]
#[ignore = "Schemathesis is installed by `cargo xtask conformance admin-api`"]
fn the_admin_api_is_what_its_document_says_and_tells_no_tenant_of_another() {
    let host = TestHost::start();
    let marks = ["q7vz1kx0", "w9hd4ny2"];
    let teams = marks.map(|mark| Team::furnish(&host, mark));
    teams[0].probe(&teams[1], &host);
    teams[1].probe(&teams[0], &host);
    let listed = host.modelet(["tenant", "list", "--json"]).json();
    assert_eq!(listed["tenants"].as_array().unwrap().len(), 3, "{listed}");
    let log = host.log();
    assert!(!log.contains("an admin request failed"), "{log}");
    host.stop();
}
