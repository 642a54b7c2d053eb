//! What stood when, against what was written down at the time; and back to it.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what fails here is a failed test"
)]

use modelet_spec::{Digest, FunctionName, ModelName, Pick, TenantName, Version};
use modelet_store::{
    Actor, CompiledRecord, FileEntry, FileRole, FunctionVersion, ModelVersion, Moment, NewFunctionVersion,
    NewModelVersion, NewServing, Revision, Serving, Store,
};
use std::path::Path;
use std::time::Duration;
use tempfile::tempdir;

const OPERATIONS: u64 = 250;

/// What goes back, in the words of listings.
#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    functions: Vec<FunctionVersion>,
    serving: Vec<Serving>,
    models: Vec<ModelVersion>,
}

fn tenant() -> TenantName {
    TenantName::default_tenant()
}

fn now(store: &Store) -> State {
    let tenant = tenant();
    let mut functions = store.functions(Some(&tenant)).unwrap();
    let serving = functions.iter().map(|f| store.serving(&tenant, &f.name).unwrap().expect("it serves")).collect();
    let models = store.models(Some(&tenant)).unwrap();
    let models = models.iter().flat_map(|model| store.model_versions(&tenant, &model.name).unwrap());
    let mut models: Vec<ModelVersion> = models.collect();
    // A revision is never the same again.
    functions.iter_mut().for_each(|function| function.revision = Revision::default());
    models.iter_mut().for_each(|model| model.revision = Revision::default());
    State { functions, serving, models }
}

fn then(store: &Store, moment: Moment) -> State {
    let tenant = tenant();
    State {
        functions: store.functions_at(&tenant, moment).unwrap(),
        serving: store.serving_at(&tenant, moment).unwrap(),
        models: store.models_at(&tenant, None, moment).unwrap(),
    }
}

fn deploy(store: &Store, name: &str) -> Version {
    let component = store.put_blob(&tenant(), name.as_bytes(), u64::MAX).unwrap();
    let new = NewFunctionVersion {
        tenant: tenant(),
        name: name.parse().unwrap(),
        component,
        compiled: CompiledRecord { digest: Digest::of(b"code"), engine: "engine".to_owned(), image: None },
        manifest_json: "{}".to_owned(),
        models: Vec::new(),
        not_reused: None,
    };
    store.by(&Actor::Server).put_function(&new).unwrap().version
}

fn push(store: &Store, name: &str, content: &[u8]) {
    let digest = store.put_blob(&tenant(), content, u64::MAX).unwrap();
    let path = "model.onnx".parse().unwrap();
    let new = NewModelVersion {
        tenant: tenant(),
        name: name.parse().unwrap(),
        digest,
        files: vec![FileEntry { path, role: FileRole::Model, digest, bytes: content.len() as u64 }],
        card_json: "{}".to_owned(),
        description_json: "{}".to_owned(),
        label: None,
    };
    store.by(&Actor::Server).put_model(&new).unwrap();
}

fn serve(store: &Store, name: &FunctionName, live: Version, traffic: Option<String>) {
    let serving = Serving { tenant: tenant(), name: name.clone(), live, traffic_json: traffic };
    store.by(&Actor::Server).serve(&NewServing { serving: &serving, kind: "function.traffic", detail: "" }).unwrap();
}

/// Numbers as good as random, and the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        all.get(usize::try_from(self.roll(all.len().max(1) as u64)).unwrap())
    }
}

/// One change of any kind; nothing where what it needs is not there.
fn change(store: &Store, dice: &mut Dice) {
    let owner = tenant();
    let name: FunctionName = ["f", "g", "h"][usize::try_from(dice.roll(3)).unwrap()].parse().unwrap();
    let model: ModelName = ["m", "n"][usize::try_from(dice.roll(2)).unwrap()].parse().unwrap();
    let versions: Vec<Version> = store.function_versions(&owner, &name).unwrap().iter().map(|v| v.version).collect();
    let live = store.serving(&owner, &name).unwrap().map(|serving| serving.live);
    let pushed: Vec<Version> = store.model_versions(&owner, &model).unwrap().iter().map(|v| v.version).collect();
    match dice.roll(10) {
        0 | 1 => drop(deploy(store, name.as_str())),
        2 => dice.one_of(&versions).iter().for_each(|version| serve(store, &name, **version, None)),
        3 => {
            let (Some(one), Some(two)) = (dice.one_of(&versions), dice.one_of(&versions)) else { return };
            let other = if one == two { String::new() } else { format!(r#",{{"version":{two},"percent":0}}"#) };
            let traffic = format!(r#"{{"parts":[{{"version":{one},"percent":100}}{other}]}}"#);
            serve(store, &name, *one, Some(traffic));
        }
        4 => {
            // What shares a function's requests is the control plane's to know: here nothing does.
            live.iter().for_each(|live| serve(store, &name, *live, None));
            let others: Vec<Version> = versions.into_iter().filter(|version| Some(*version) != live).collect();
            dice.one_of(&others)
                .iter()
                .for_each(|version| drop(store.by(&Actor::Server).remove_function(&owner, &name, Some(**version))));
        }
        5 if dice.roll(3) == 0 => drop(store.by(&Actor::Server).remove_function(&owner, &name, None)),
        6 | 7 => push(store, model.as_str(), &dice.roll(5).to_le_bytes()),
        8 => {
            let label = ["stable", "next"][usize::try_from(dice.roll(2)).unwrap()].parse().unwrap();
            let Some(version) = dice.one_of(&pushed) else { return };
            if dice.roll(4) == 0 {
                drop(store.by(&Actor::Server).unlabel_model(&owner, &model, None, &label));
            } else {
                store.by(&Actor::Server).label_model(&owner, &model, &Pick::Version(*version), &label).unwrap();
            }
        }
        9 => {
            let Some(version) = dice.one_of(&pushed) else { return };
            store.by(&Actor::Server).remove_model(&owner, &model, Some(&Pick::Version(*version)), true).unwrap();
        }
        _ => {}
    }
}

fn last(store: &Store) -> Moment {
    store.moment(u64::MAX).unwrap()
}

#[test]
fn every_moment_is_as_it_was_and_can_be_gone_back_to() {
    for seed in 0..4 {
        let dir = tempdir().unwrap();
        let store = Store::open(&dir.path().join("data")).unwrap();
        let mut dice = Dice(seed);
        let mut moments = vec![(last(&store), now(&store))];
        for number in 0..OPERATIONS {
            change(&store, &mut dice);
            if dice.roll(20) == 0 {
                let (moment, state) = dice.one_of(&moments).unwrap().clone();
                let would = store.would_restore(&tenant(), moment).unwrap();
                let restored = store.by(&Actor::Server).restore(&tenant(), moment, "").unwrap();
                assert_eq!(would, restored, "seed {seed}, change {number}");
                assert_eq!(
                    (restored.missing.as_slice(), now(&store)),
                    (&[][..], state),
                    "seed {seed}, change {number}"
                );
                assert!(store.would_restore(&tenant(), moment).unwrap().changes.is_empty());
            }
            moments.push((last(&store), now(&store)));
            if number % 50 == 0 {
                // Nothing that may be gone back to is taken from the disk.
                store.collect(Duration::ZERO, Duration::from_secs(3600)).unwrap();
            }
        }
        for (moment, state) in moments {
            assert_eq!(then(&store, moment), state, "seed {seed}");
        }
    }
}

/// All that the history has.
fn periods(data: &Path) -> Vec<String> {
    let connection = rusqlite::Connection::open(data.join("modelet.db")).unwrap();
    let columns = "kind || ' ' || tenant || ' ' || name || ' ' || item || ' ' || value || ' ' || since || ' ' || ifnull(until, '')";
    let mut query = connection.prepare(&format!("SELECT {columns} FROM period ORDER BY since, kind, item")).unwrap();
    query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_database_of_before_has_its_history_from_its_events() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("data");
    let store = Store::open(&data).unwrap();
    let (owner, model): (_, ModelName) = (tenant(), "m".parse().unwrap());
    for content in [b"1", b"2", b"3"] {
        push(&store, "m", content);
        deploy(&store, "f");
        store.by(&Actor::Server).label_model(&owner, &model, &Pick::Latest, &"stable".parse().unwrap()).unwrap();
    }
    deploy(&store, "g");
    store.by(&Actor::Server).unlabel_model(&owner, &model, None, &"stable".parse().unwrap()).unwrap();
    store
        .by(&Actor::Server)
        .label_model(&owner, &model, &Pick::Version(Version::FIRST), &"next".parse().unwrap())
        .unwrap();
    store.by(&Actor::Server).remove_model(&owner, &model, Some(&Pick::Version(Version::FIRST.next())), false).unwrap();
    drop(store);
    let before = periods(&data);
    assert_eq!(before.len(), 3 + 4 + 4 + 4, "models, functions, what was live, labels: {before:#?}");
    rusqlite::Connection::open(data.join("modelet.db"))
        .unwrap()
        .execute_batch(&format!("DROP TABLE period; {}", include_str!("../src/db/schema/09-history.sql")))
        .unwrap();
    assert_eq!(periods(&data), before);
}

#[test]
fn what_was_removed_stays_as_long_as_the_history_and_then_goes() {
    let dir = tempdir().unwrap();
    let store = Store::open(&dir.path().join("data")).unwrap();
    let (owner, name, model): (_, FunctionName, ModelName) = (tenant(), "f".parse().unwrap(), "m".parse().unwrap());
    deploy(&store, "f");
    push(&store, "m", b"weights");
    let code = store.write_compiled(&Digest::of(b"f"), "engine", b"code").unwrap();
    let file = store.compiled_file(&Digest::of(b"f"), "engine");
    let moment = last(&store);
    let state = now(&store);
    store.by(&Actor::Server).remove_function(&owner, &name, None).unwrap();
    store.by(&Actor::Server).remove_model(&owner, &model, None, false).unwrap();
    assert_eq!(store.used_bytes(&owner).unwrap(), 0, "it counts no longer");
    assert!(!store.holds(&owner, &Digest::of(b"weights")).unwrap(), "and nobody can name it");
    let kept = store.collect(Duration::ZERO, Duration::from_secs(3600)).unwrap();
    assert_eq!((kept.files, file.is_file()), (0, true));
    store.by(&Actor::Server).restore(&owner, moment, "").unwrap();
    assert_eq!(now(&store), state);
    assert_eq!(store.blob(&owner, &Digest::of(b"weights")).unwrap(), b"weights");

    store.by(&Actor::Server).remove_function(&owner, &name, None).unwrap();
    store.by(&Actor::Server).remove_model(&owner, &model, None, false).unwrap();
    let gone = store.collect(Duration::ZERO, Duration::ZERO).unwrap();
    assert_eq!((gone.files, file.is_file()), (2, false));
    assert_eq!(store.verify().unwrap().faults, [""; 0], "what is not named is not missed");
    assert_eq!(code.engine, "engine");
    let missing = store.would_restore(&owner, moment).unwrap();
    assert_eq!((missing.changes.len(), then(&store, moment).functions.len()), (0, 0), "nobody knows of it any more");
    assert_eq!(deploy(&store, "f").get(), 2, "but its number");
}
