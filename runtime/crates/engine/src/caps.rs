//! How much of a component is looked at, counted before anything compiles it: a few bytes can ask a compiler for more than
//! any machine has.

use wasmparser::Payload;

use crate::error::CompileError;

/// Everything is counted over the whole component, all modules in it together. The largest that are known, interpreters of
/// Python and JavaScript, have a tenth of each.
const FUNCTIONS_MAX: u64 = 200_000;
const TYPES_MAX: u64 = 100_000;
const IMPORTS_MAX: u64 = 20_000;
const EXPORTS_MAX: u64 = 50_000;
/// Tables' segments, data segments, globals, aliases, instances: what is one entry in a section.
const ENTRIES_MAX: u64 = 1_000_000;
/// Modules and components within the component.
const PARTS_MAX: u64 = 1_000;
/// Components within components. Tools that compose them make three or four.
const DEPTH_MAX: u64 = 32;
/// One function's body, in bytes: a compiler's time and memory grow faster than it. An interpreter's main loop has about 300 kB.
const BODY_MAX: u64 = 4 << 20;

/// What was seen so far.
#[derive(Debug, Default)]
pub(crate) struct Caps {
    functions: u64,
    types: u64,
    imports: u64,
    exports: u64,
    entries: u64,
    parts: u64,
    depth: u64,
}

impl Caps {
    /// How many components and modules are around what comes next.
    pub(crate) fn depth(&self) -> u64 {
        self.depth
    }

    /// Counts one piece of the component, as announced and before it is read.
    pub(crate) fn count(&mut self, payload: &Payload<'_>) -> Result<(), CompileError> {
        match payload {
            Payload::FunctionSection(section) => add(&mut self.functions, section.count(), FUNCTIONS_MAX, "functions"),
            Payload::ComponentCanonicalSection(section) => {
                add(&mut self.functions, section.count(), FUNCTIONS_MAX, "functions")
            }
            Payload::TypeSection(section) => add(&mut self.types, section.count(), TYPES_MAX, "types"),
            Payload::CoreTypeSection(section) => add(&mut self.types, section.count(), TYPES_MAX, "types"),
            Payload::ComponentTypeSection(section) => add(&mut self.types, section.count(), TYPES_MAX, "types"),
            Payload::ImportSection(section) => add(&mut self.imports, section.count(), IMPORTS_MAX, "imports"),
            Payload::ComponentImportSection(section) => add(&mut self.imports, section.count(), IMPORTS_MAX, "imports"),
            Payload::ExportSection(section) => add(&mut self.exports, section.count(), EXPORTS_MAX, "exports"),
            Payload::ComponentExportSection(section) => add(&mut self.exports, section.count(), EXPORTS_MAX, "exports"),
            Payload::CodeSectionEntry(body) => {
                let bytes = body.range().end.saturating_sub(body.range().start) as u64;
                hold(bytes, BODY_MAX, "bytes in one function")
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => self.enter(),
            Payload::End(_) => {
                self.depth = self.depth.saturating_sub(1);
                Ok(())
            }
            other => self.count_entries(other),
        }
    }

    fn count_entries(&mut self, payload: &Payload<'_>) -> Result<(), CompileError> {
        let count = match payload {
            Payload::TableSection(section) => section.count(),
            Payload::MemorySection(section) => section.count(),
            Payload::GlobalSection(section) => section.count(),
            Payload::ElementSection(section) => section.count(),
            Payload::DataSection(section) => section.count(),
            Payload::InstanceSection(section) => section.count(),
            Payload::ComponentInstanceSection(section) => section.count(),
            Payload::ComponentAliasSection(section) => section.count(),
            _ => 0,
        };
        add(&mut self.entries, count, ENTRIES_MAX, "entries in sections")
    }

    fn enter(&mut self) -> Result<(), CompileError> {
        add(&mut self.parts, 1, PARTS_MAX, "modules and components within it")?;
        self.depth = self.depth.saturating_add(1);
        hold(self.depth, DEPTH_MAX, "levels of components within components")
    }
}

fn add(total: &mut u64, more: u32, limit: u64, what: &'static str) -> Result<(), CompileError> {
    *total = total.saturating_add(more.into());
    hold(*total, limit, what)
}

fn hold(found: u64, limit: u64, what: &'static str) -> Result<(), CompileError> {
    if found > limit { Err(CompileError::TooMany { what, found, limit }) } else { Ok(()) }
}
