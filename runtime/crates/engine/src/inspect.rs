//! What a component imports and exports, read from its bytes without compiling it.

use wasmparser::{Encoding, Parser, Payload};

use crate::caps::Caps;
use crate::error::CompileError;
use crate::image::INIT;
use crate::world::World;

/// What a component asks for and offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// The world it is built for: `wasi:http/proxy@0.2`, `wasi:http/service@0.3`, or what else it exports.
    pub kind: String,
    /// Everything it imports, as written.
    pub imports: Vec<String>,
    /// Imports that are linked but empty: every language's std brings them, they give nothing.
    pub standard: Vec<String>,
    /// Imports that can do something: answer HTTP, run models, keep pairs, tell the time, give random
    /// numbers, send requests.
    pub capabilities: Vec<String>,
    /// Everything it exports, as written.
    pub exports: Vec<String>,
    /// Imports that are not offered; the component is refused for them.
    pub refused: Vec<Refused>,
    /// Size in bytes.
    pub bytes: u64,
}

/// An import that is not offered, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The import, as written.
    pub import: String,
    /// Why, in one clause.
    pub why: &'static str,
}

/// Linked but empty (contract, section 4).
const STANDARD: &[&str] = &["wasi:cli/", "wasi:filesystem/", "wasi:sockets/", "wasi:io/"];

/// Linked, and able to do something.
const CAPABILITIES: &[&str] = &["wasi:http/", "wasi:clocks/", "wasi:random/"];

/// What a component imports that passes requests on to the next: there is no next here.
const CHAIN: &str = "wasi:http/handler@";

/// Drafts, and what is ours: linked in exactly this version, and able to do something.
const DRAFTS: &[(&str, &str)] = &[
    ("wasi:nn/", "0.2.0-rc-2024-10-28"),
    ("modelet:nn/", "0.1.0"),
    ("wasi:config/", "0.2.0-rc.1"),
    ("wasi:keyvalue/", "0.2.0-draft"),
    ("wasi:logging/", "0.1.0-draft"),
];

/// What reaches beyond the sandbox: a version that gains one of them is asked about. Clocks, random numbers and a log of its
/// own do not, and any change of a compiler may bring them.
const POWERS: [&str; 5] = ["wasi:nn", "wasi:http/outgoing-handler", "wasi:http/client", "wasi:keyvalue", "wasi:config"];

impl Inspection {
    /// Whether it has an `init` to be run once for all its instances: see [`image()`](crate::image()).
    #[must_use]
    pub fn has_init(&self) -> bool {
        self.exports.iter().any(|name| name == INIT)
    }

    /// The world it is built for; `None`: it is no function.
    #[must_use]
    pub fn world(&self) -> Option<World> {
        World::of(&self.exports)
    }

    /// Which of its capabilities reach beyond the sandbox, each once.
    #[must_use]
    pub fn powers(&self) -> Vec<&'static str> {
        let has = |power: &&str| self.capabilities.iter().any(|import| import.starts_with(*power));
        POWERS.into_iter().filter(has).collect()
    }
}

/// Reads the outer component of `wasm`.
pub(crate) fn inspect(wasm: &[u8]) -> Result<Inspection, CompileError> {
    let (imports, exports) = names(wasm)?;
    let world = World::of(&exports);
    let kind = match world {
        Some(world) => world.name().to_owned(),
        None => exports.first().cloned().unwrap_or_else(|| "nothing".to_owned()),
    };
    let mut inspection = Inspection {
        kind,
        imports: imports.clone(),
        standard: Vec::new(),
        capabilities: Vec::new(),
        exports,
        refused: Vec::new(),
        bytes: wasm.len() as u64,
    };
    for import in imports {
        match why_refused(&import, world) {
            Some(why) => inspection.refused.push(Refused { import, why }),
            None if starts(&import, STANDARD) => inspection.standard.push(import),
            None => inspection.capabilities.push(import),
        }
    }
    Ok(inspection)
}

fn starts(import: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| import.starts_with(prefix))
}

fn why_refused(import: &str, world: Option<World>) -> Option<&'static str> {
    let version = import.split_once('@').map_or("", |(_, version)| version);
    if let Some((_, offered)) = DRAFTS.iter().find(|(package, _)| import.starts_with(package)) {
        return (version != *offered).then_some("another draft of it is offered: see wit/ in Modelet's repository");
    }
    if !starts(import, STANDARD) && !starts(import, CAPABILITIES) {
        return Some("not offered by this host");
    }
    match world {
        _ if version.starts_with("0.2.") => None,
        Some(World::Service) if version.starts_with("0.3.") => {
            import.starts_with(CHAIN).then_some("a function cannot be put before another")
        }
        Some(World::Service) => Some("only WASI 0.2 and 0.3 are offered"),
        _ => Some("only WASI 0.2 is offered to a function that answers by it"),
    }
}

/// wasmparser prints byte arrays over many lines.
fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The names that the outermost component imports and exports. All of it is counted on the way, see [`Caps`].
fn names(wasm: &[u8]) -> Result<(Vec<String>, Vec<String>), CompileError> {
    let invalid = |error: wasmparser::BinaryReaderError| CompileError::NotWasm(one_line(error.message()));
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut caps = Caps::default();
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.map_err(invalid)?;
        let is_outer = caps.depth() == 0;
        caps.count(&payload)?;
        match payload {
            Payload::Version { encoding: Encoding::Module, .. } if is_outer => return Err(CompileError::CoreModule),
            Payload::ComponentImportSection(section) if is_outer => {
                for import in section {
                    imports.push(import.map_err(invalid)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if is_outer => {
                for export in section {
                    exports.push(export.map_err(invalid)?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok((imports, exports))
}

#[cfg(test)]
mod bytes;

#[cfg(test)]
mod tests {
    use super::bytes::{leb, section};
    use super::*;

    #[test]
    fn what_is_no_wasm_or_no_component_is_named() {
        assert!(matches!(inspect(b"hello"), Err(CompileError::NotWasm(_))));
        assert!(matches!(inspect(b"\0asm\x01\0\0\0"), Err(CompileError::CoreModule)));
        assert_eq!(inspect(b"\0asm\x0d\0\x01\0").unwrap().kind, "nothing");
    }

    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
    const MODULE: &[u8] = b"\0asm\x01\0\0\0";

    fn told(wasm: &[u8]) -> String {
        inspect(wasm).expect_err("it is within the caps").to_string()
    }

    #[test]
    fn a_component_within_components_is_looked_into_only_so_deep() {
        let mut nested = COMPONENT.to_vec();
        for _ in 0..32 {
            nested = [COMPONENT, &section(4, &nested)].concat();
        }
        assert!(inspect(&nested).is_ok());
        let deeper = [COMPONENT, &section(4, &nested)].concat();
        assert!(told(&deeper).contains("33 levels of components within components"), "{}", told(&deeper));
        let module = section(1, MODULE);
        let crowded = [COMPONENT, &module.repeat(1001)].concat();
        assert!(told(&crowded).contains("1001 modules and components"), "{}", told(&crowded));
    }

    #[test]
    fn what_a_section_announces_is_held_against_the_caps_before_it_is_read() {
        // Announced alone, without a single entry behind it: nothing is made room for.
        for (id, what) in [(1, "types"), (2, "imports"), (3, "functions"), (7, "exports"), (6, "entries")] {
            let module = [MODULE, &section(id, &leb(2_000_000))].concat();
            let wasm = [COMPONENT, &section(1, &module)].concat();
            assert!(told(&wasm).contains("2000000 ") && told(&wasm).contains(what), "{what}: {}", told(&wasm));
        }
        let imports = [COMPONENT, &section(10, &leb(30_000))].concat();
        assert!(told(&imports).contains("30000 imports"), "{}", told(&imports));
        // Small pieces add up.
        let types = section(1, &[leb(1000), [0x60, 0, 0].repeat(1000)].concat());
        let module = section(1, &[MODULE, &types].concat());
        assert!(told(&[COMPONENT, &module.repeat(101)].concat()).contains("101000 types"));
    }

    #[test]
    fn a_function_of_more_bytes_than_any_compiler_likes_is_refused() {
        let body = [leb(5 << 20), vec![0x01; 5 << 20]].concat();
        let code = section(10, &[vec![1], body].concat());
        let module = [MODULE, &section(1, &[1, 0x60, 0, 0]), &section(3, &[1, 0]), &code].concat();
        assert!(told(&[COMPONENT, &section(1, &module)].concat()).contains("bytes in one function"));
    }

    #[test]
    fn imports_are_offered_by_package_and_version() {
        for world in [World::Proxy, World::Service] {
            let why_refused = |import| why_refused(import, Some(world));
            assert_eq!(why_refused("wasi:cli/environment@0.2.6"), None);
            assert_eq!(why_refused("wasi:nn/graph@0.2.0-rc-2024-10-28"), None);
            assert!(why_refused("wasi:nn/graph@0.2.0-rc-2024-06-25").is_some());
            assert_eq!(why_refused("modelet:nn/models@0.1.0"), None);
            assert!(why_refused("modelet:nn/models@0.2.0").is_some());
            assert_eq!(why_refused("wasi:keyvalue/store@0.2.0-draft"), None);
            assert!(why_refused("wasi:keyvalue/store@0.2.0-draft2").is_some());
            assert!(why_refused("wasi:http/handler@0.3.0").is_some());
            assert!(why_refused("wasi:http/types@0.4.0").is_some());
            assert!(why_refused("modelet:test/secret").is_some());
            assert_eq!(why_refused("wasi:http/types@0.3.0").is_none(), world == World::Service);
        }
    }
}
