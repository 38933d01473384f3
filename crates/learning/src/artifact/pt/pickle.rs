//! A pickle of a state dict, read without running anything: the few
//! instructions that `torch.save` writes for named tensors, and two functions
//! that are known by name. Each instruction makes one value at most, so a
//! pickle of bounded length needs bounded memory.

use super::PtError;
use std::collections::BTreeMap;

/// A state dict of four tensors takes some 600 bytes.
pub(super) const PICKLE_BYTES_MAX: usize = 64 << 10;

/// A tensor's place in one of the archive's records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Described {
    /// The record, `data/KEY`.
    pub(super) record: String,
    /// As PyTorch names it, `FloatStorage`.
    pub(super) storage: String,
    /// Of its first number in the record.
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) stride: Vec<usize>,
}

/// A value, held by number so that sharing costs nothing.
type Id = usize;

#[derive(Debug, Clone)]
enum Value {
    Nothing,
    Flag,
    Number(i64),
    Text(String),
    Tuple(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Function(Function),
    Storage { kind: String, record: String },
    Tensor(Described),
}

#[derive(Debug, Clone)]
enum Function {
    OrderedDict,
    RebuildTensor,
    Storage(String),
}

struct Machine<'a> {
    pickle: &'a [u8],
    at: usize,
    values: Vec<Value>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: BTreeMap<u32, Id>,
}

/// The tensors of a pickled state dict by name, in its order.
pub(super) fn state_dict(pickle: &[u8]) -> Result<Vec<(String, Described)>, PtError> {
    let (values, marks, memo) = (Vec::new(), Vec::new(), BTreeMap::new());
    let mut machine = Machine { pickle, at: 0, values, stack: Vec::new(), marks, memo };
    while machine.step()? {}
    machine.result()
}

impl Machine<'_> {
    fn wrong(&self, detail: &'static str) -> PtError {
        PtError::Pickle { at: self.at, detail }
    }

    fn bytes(&mut self, count: usize) -> Result<&[u8], PtError> {
        let found = self.pickle.get(self.at..).and_then(|rest| rest.get(..count));
        let found = found.ok_or(PtError::Pickle { at: self.at, detail: "it ends too early" })?;
        self.at += count;
        Ok(found)
    }

    fn byte(&mut self) -> Result<u8, PtError> {
        Ok(self.bytes(1)?[0])
    }

    /// Little-endian and unsigned, `count` bytes.
    fn unsigned(&mut self, count: usize) -> Result<u64, PtError> {
        Ok(self.bytes(count)?.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }

    fn push(&mut self, value: Value) {
        self.stack.push(self.values.len());
        self.values.push(value);
    }

    /// The stack's last value, of those since the last mark.
    fn pop(&mut self) -> Result<Id, PtError> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err(self.wrong("its stack is empty"));
        }
        self.stack.pop().ok_or(PtError::Pickle { at: self.at, detail: "its stack is empty" })
    }

    /// All values since the last mark.
    fn pop_to_mark(&mut self) -> Result<Vec<Id>, PtError> {
        let mark = self.marks.pop().ok_or(PtError::Pickle { at: self.at, detail: "a mark is missing" })?;
        Ok(self.stack.split_off(mark))
    }

    fn pop_tuple(&mut self, count: usize) -> Result<(), PtError> {
        let mut items = (0..count).map(|_| self.pop()).collect::<Result<Vec<_>, _>>()?;
        items.reverse();
        self.push(Value::Tuple(items));
        Ok(())
    }

    /// One instruction; whether there are more.
    fn step(&mut self) -> Result<bool, PtError> {
        match self.byte()? {
            b'.' => return Ok(false),
            // The protocol, and a frame's length: nothing depends on them.
            0x80 => drop(self.unsigned(1)?),
            0x95 => drop(self.unsigned(8)?),
            b'(' => self.marks.push(self.stack.len()),
            b'}' => self.push(Value::Dict(Vec::new())),
            b'N' => self.push(Value::Nothing),
            0x88 | 0x89 => self.push(Value::Flag),
            b')' => self.push(Value::Tuple(Vec::new())),
            0x85 => self.pop_tuple(1)?,
            0x86 => self.pop_tuple(2)?,
            0x87 => self.pop_tuple(3)?,
            b't' => {
                let items = self.pop_to_mark()?;
                self.push(Value::Tuple(items));
            }
            code @ (b'K' | b'M' | b'J' | 0x8a) => self.number(code)?,
            code @ (b'X' | 0x8c) => self.text(if code == b'X' { 4 } else { 1 })?,
            code @ (b'q' | b'r' | 0x94 | b'h' | b'j') => self.remember(code)?,
            code @ (b'c' | 0x93) => self.function(code == 0x93)?,
            code @ (b's' | b'u') => self.set_items(code == b'u')?,
            b'R' => self.call()?,
            b'Q' => self.storage()?,
            b'b' => self.set_attributes()?,
            code => return Err(PtError::Instruction { at: self.at - 1, code }),
        }
        Ok(true)
    }

    fn number(&mut self, code: u8) -> Result<(), PtError> {
        let number = match code {
            b'K' => self.unsigned(1)? as i64,
            b'M' => self.unsigned(2)? as i64,
            b'J' => i64::from(self.unsigned(4)? as u32 as i32),
            _ => {
                let count = usize::from(self.byte()?);
                if count > 8 {
                    return Err(self.wrong("a number is too large"));
                }
                let number = self.unsigned(count)? as i64;
                // The last byte has the sign.
                let unused = 64 - 8 * count as u32;
                if count == 0 { 0 } else { number << unused >> unused }
            }
        };
        self.push(Value::Number(number));
        Ok(())
    }

    fn text(&mut self, length_bytes: usize) -> Result<(), PtError> {
        let count = usize::try_from(self.unsigned(length_bytes)?).unwrap_or(usize::MAX);
        let text = String::from_utf8(self.bytes(count)?.to_vec());
        let text = text.map_err(|_| self.wrong("a text is not UTF-8"))?;
        self.push(Value::Text(text));
        Ok(())
    }

    fn remember(&mut self, code: u8) -> Result<(), PtError> {
        let number = match code {
            b'q' | b'h' => self.unsigned(1)? as u32,
            b'r' | b'j' => self.unsigned(4)? as u32,
            _ => self.memo.len() as u32,
        };
        if matches!(code, b'h' | b'j') {
            let known = self.memo.get(&number).copied();
            let id =
                known.ok_or(PtError::Pickle { at: self.at, detail: "a value is used before it is made" })?;
            self.stack.push(id);
        } else {
            let last = self.pop()?;
            self.stack.push(last);
            self.memo.insert(number, last);
        }
        Ok(())
    }

    /// `module name`, on lines of their own or on the stack.
    fn function(&mut self, on_stack: bool) -> Result<(), PtError> {
        let (module, name) = if on_stack {
            let name = self.pop()?;
            let module = self.pop()?;
            (self.text_of(module)?, self.text_of(name)?)
        } else {
            (self.line()?, self.line()?)
        };
        let function = match (module.as_str(), name.as_str()) {
            ("collections", "OrderedDict") => Function::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Function::RebuildTensor,
            ("torch", storage) if storage.ends_with("Storage") && storage.len() < 64 => {
                Function::Storage(name)
            }
            _ => {
                let name: String = format!("{module}.{name}").chars().take(120).collect();
                return Err(PtError::Function { name: name.escape_debug().to_string() });
            }
        };
        self.push(Value::Function(function));
        Ok(())
    }

    fn line(&mut self) -> Result<String, PtError> {
        let rest = self.pickle.get(self.at..).unwrap_or_default();
        let end = rest.iter().position(|byte| *byte == b'\n').ok_or(self.wrong("it ends too early"))?;
        let text = String::from_utf8_lossy(&rest[..end]).into_owned();
        self.at += end + 1;
        Ok(text)
    }

    fn set_items(&mut self, several: bool) -> Result<(), PtError> {
        let items = if several {
            self.pop_to_mark()?
        } else {
            let value = self.pop()?;
            vec![self.pop()?, value]
        };
        let dict = self.pop()?;
        self.stack.push(dict);
        let (pairs, []) = items.as_chunks::<2>() else { return Err(self.wrong("a key has no value")) };
        let at = self.at;
        let Value::Dict(entries) = &mut self.values[dict] else {
            return Err(PtError::Pickle { at, detail: "items are set on what is no dict" });
        };
        entries.extend(pairs.iter().map(|[key, value]| (*key, *value)));
        Ok(())
    }

    fn call(&mut self) -> Result<(), PtError> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let Value::Tuple(arguments) = &self.values[arguments] else {
            return Err(self.wrong("a call has no arguments"));
        };
        let value = match (&self.values[function], arguments.as_slice()) {
            (Value::Function(Function::OrderedDict), []) => Value::Dict(Vec::new()),
            (Value::Function(Function::RebuildTensor), &[storage, offset, shape, stride, ..]) => {
                Value::Tensor(self.tensor(storage, offset, shape, stride)?)
            }
            _ => return Err(self.wrong("it calls something in a way that `torch.save` doesn't")),
        };
        self.push(value);
        Ok(())
    }

    /// `('storage', torch.FloatStorage, '0', 'cpu', 20)`: which record.
    fn storage(&mut self) -> Result<(), PtError> {
        let id = self.pop()?;
        let wrong = self.wrong("a storage is not described as `torch.save` does");
        let Value::Tuple(parts) = &self.values[id] else { return Err(wrong) };
        let &[tag, kind, record, ..] = parts.as_slice() else { return Err(wrong) };
        let Value::Function(Function::Storage(kind)) = &self.values[kind] else { return Err(wrong) };
        if self.text_of(tag)? != "storage" {
            return Err(wrong);
        }
        let (kind, record) = (kind.clone(), self.text_of(record)?);
        self.push(Value::Storage { kind, record });
        Ok(())
    }

    /// A dict's attributes say how old the modules are; nothing depends on them.
    fn set_attributes(&mut self) -> Result<(), PtError> {
        self.pop()?;
        let object = self.pop()?;
        self.stack.push(object);
        match self.values[object] {
            Value::Dict(_) => Ok(()),
            _ => Err(self.wrong("attributes are set on what is no dict")),
        }
    }

    fn tensor(&self, storage: Id, offset: Id, shape: Id, stride: Id) -> Result<Described, PtError> {
        let Value::Storage { kind, record } = &self.values[storage] else {
            return Err(self.wrong("a tensor has no storage"));
        };
        let (record, storage) = (record.clone(), kind.clone());
        let (shape, stride) = (self.sizes_of(shape)?, self.sizes_of(stride)?);
        if shape.len() != stride.len() {
            return Err(self.wrong("a tensor's shape and stride differ in length"));
        }
        Ok(Described { record, storage, offset: self.size_of(offset)?, shape, stride })
    }

    fn size_of(&self, id: Id) -> Result<usize, PtError> {
        match self.values[id] {
            Value::Number(number) => usize::try_from(number).map_err(|_| self.wrong("a size is below 0")),
            _ => Err(self.wrong("a size is no number")),
        }
    }

    fn sizes_of(&self, id: Id) -> Result<Vec<usize>, PtError> {
        const DIMENSIONS_MAX: usize = 8;
        match &self.values[id] {
            Value::Tuple(sizes) if sizes.len() <= DIMENSIONS_MAX => {
                sizes.iter().map(|size| self.size_of(*size)).collect()
            }
            _ => Err(self.wrong("a shape is no short list of numbers")),
        }
    }

    fn text_of(&self, id: Id) -> Result<String, PtError> {
        match &self.values[id] {
            Value::Text(text) => Ok(text.clone()),
            _ => Err(self.wrong("a name is no text")),
        }
    }

    fn result(mut self) -> Result<Vec<(String, Described)>, PtError> {
        let last = self.pop()?;
        let Value::Dict(entries) = &self.values[last] else {
            return Err(PtError::Content { found: self.values[last].kind() });
        };
        let mut tensors = Vec::new();
        for (key, value) in entries {
            let key = self.text_of(*key)?;
            match &self.values[*value] {
                Value::Tensor(tensor) => tensors.push((key, tensor.clone())),
                other => {
                    return Err(PtError::Entry { key: key.chars().take(64).collect(), found: other.kind() });
                }
            }
        }
        Ok(tensors)
    }
}

impl Value {
    fn kind(&self) -> &'static str {
        match self {
            Self::Nothing => "`None`",
            Self::Flag => "a flag",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::Tuple(_) => "a tuple",
            Self::Dict(_) => "a dict",
            Self::Function(_) => "a function",
            Self::Storage { .. } => "a storage",
            Self::Tensor(_) => "a tensor",
        }
    }
}
