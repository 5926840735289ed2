var __defProp = Object.defineProperty;
var __getOwnPropNames = Object.getOwnPropertyNames;
var __esm = (fn, res, err) => function __init() {
  if (err) throw err[0];
  try {
    return fn && (res = (0, fn[__getOwnPropNames(fn)[0]])(fn = 0)), res;
  } catch (e) {
    throw err = [e], e;
  }
};
var __export = (target, all) => {
  for (var name in all)
    __defProp(target, name, { get: all[name], enumerable: true });
};

// lib/os/effects.ts
import { appendFileSync } from "node:fs";
import { constants } from "node:os";
function permittedFist() {
  const allowed = process.geteuid?.() === 0 || process.env["VITEST"] !== void 0;
  return allowed ? process.env["SM_FIST"] : void 0;
}
function parseFist(entries) {
  const actions = /* @__PURE__ */ new Map();
  for (const entry of entries) {
    const [key, errno] = entry.split("=");
    if (key !== void 0 && key !== "" && !entry.startsWith(TRACE))
      actions.set(key, errno === void 0 ? "kill" : { errno });
  }
  return actions;
}
function errnoError(code, message2, cause) {
  const error = new Error(`${code}: ${message2}`, cause === void 0 ? void 0 : { cause });
  error.code = code;
  const number = constants.errno[code];
  if (number !== void 0) error.errno = -number;
  return error;
}
var TRACE, Effects;
var init_effects = __esm({
  "lib/os/effects.ts"() {
    "use strict";
    TRACE = "trace:";
    Effects = class {
      #actions;
      #trace;
      #observe;
      #count = 0;
      constructor(fist = permittedFist(), observe) {
        this.#observe = observe;
        const entries = (fist ?? "").split(",").map((entry) => entry.trim());
        this.#trace = entries.find((entry) => entry.startsWith(TRACE))?.slice(TRACE.length);
        this.#actions = parseFist(entries);
      }
      /** Announces an effect that is about to happen. Throws an errno error where a test asks for one. */
      before(kind, detail) {
        this.#count += 1;
        this.#observe?.(this.#count, kind, detail);
        if (this.#trace !== void 0) appendFileSync(this.#trace, `${this.#count} ${kind} ${detail}
`);
        this.#trigger(`effect:${this.#count}`, `${kind} ${detail}`);
      }
      /** A named crash point between two steps of an operation. */
      point(name) {
        this.#trigger(name, name);
      }
      #trigger(key, detail) {
        const action = this.#actions.get(key);
        if (action === void 0) return;
        if (action === "kill") process.kill(process.pid, "SIGKILL");
        else throw errnoError(action.errno, `injected at ${detail}`);
      }
    };
  }
});

// lib/os/libc.ts
function loadLibc() {
  loaded ??= bind();
  return loaded;
}
async function bind() {
  const { default: koffi } = await import("koffi");
  const library = koffi.load(null);
  const fcntl = library.func("int fcntl(int fd, int command, void *argument)");
  const openlog = library.func("void openlog(void *ident, int options, int facility)");
  const syslog = library.func("void syslog(int priority, const char *format, ...)");
  const ioctl = library.func("int ioctl(int fd, unsigned long request, intptr_t argument)");
  return {
    fcntl: (fd, command, argument) => fcntl(fd, command, argument) === -1 ? koffi.errno() : 0,
    openlog,
    syslog: (priority, line) => {
      syslog(priority, "%s", "const char *", line);
    },
    flushBuffers: (fd) => callAside(koffi, ioctl, [fd, BLKFLSBUF, 0]),
    addressOf: (buffer) => koffi.address(buffer),
    ...bindRanges(koffi, library)
  };
}
function bindRanges(koffi, library) {
  const copy = library.func(
    "intptr_t copy_file_range(int from, _Inout_ int64_t *fromOffset, int to, _Inout_ int64_t *toOffset, size_t length, unsigned int flags)"
  );
  const allocate = library.func("int fallocate(int fd, int mode, int64_t offset, int64_t length)");
  const seek = library.func("int64_t lseek(int fd, int64_t offset, int whence)");
  return {
    copyFileRange: (from, to, length) => callAside(koffi, copy, [from.fd, [from.position], to.fd, [to.position], length, 0]),
    fallocate: (fd, mode, { offset, length }) => callAside(koffi, allocate, [fd, mode, offset, length]),
    lseek: (fd, offset, whence) => toResult(koffi, Number(seek(fd, offset, whence)))
  };
}
async function callAside(koffi, call, args) {
  const value = await new Promise((resolve, reject) => {
    call.async(...args, (error, result) => {
      if (error instanceof Error) reject(error);
      else resolve(Number(result));
    });
  });
  return value === -1 ? toResult(koffi, Number(call(...args))) : { value };
}
function toResult(koffi, value) {
  return value === -1 ? { errno: koffi.errno() } : { value };
}
var BLKFLSBUF, loaded;
var init_libc = __esm({
  "lib/os/libc.ts"() {
    "use strict";
    BLKFLSBUF = 4705;
  }
});

// lib/os/blockDevice.ts
import { getSystemErrorName } from "node:util";
async function flushBuffers(fd, path14) {
  const { errno } = await (await loadLibc()).flushBuffers(fd);
  if (errno !== void 0) throw errnoError(getSystemErrorName(-errno), `flushing the buffers of ${path14}`);
}
var init_blockDevice = __esm({
  "lib/os/blockDevice.ts"() {
    "use strict";
    init_effects();
    init_libc();
  }
});

// lib/os/ranges.ts
import { constants as constants2 } from "node:os";
import { getSystemErrorName as getSystemErrorName2 } from "node:util";
async function copyRange(source, target, { from, to, length }) {
  const libc = await libcIfAny();
  if (libc === void 0) return false;
  let done = 0;
  while (done < length) {
    const places = [
      { fd: source, position: from + done },
      { fd: target, position: to + done }
    ];
    const copied3 = valueOf(await libc.copyFileRange(...places, length - done), "copying a range");
    if (copied3 === void 0 || copied3 === 0) return false;
    done += copied3;
  }
  return true;
}
async function punchHole(fd, position, length) {
  const libc = await libcIfAny();
  if (libc === void 0) return false;
  const result = await libc.fallocate(fd, PUNCH_HOLE_KEEPING_SIZE, { offset: position, length });
  return valueOf(result, "punching a hole") !== void 0;
}
async function fileRuns(fd, position, length) {
  const end3 = position + length;
  const libc = await libcIfAny();
  const seek = (from, whence) => libc === void 0 ? from : found(libc, { fd, from, whence });
  const runs = [];
  let at = position;
  while (at < end3) {
    const data = Math.min(end3, seek(at, SEEK_DATA));
    if (data > at) runs.push({ position: at, length: data - at, stored: false });
    if (data === end3) break;
    const hole = libc === void 0 ? end3 : Math.min(end3, seek(data, SEEK_HOLE));
    const stop = hole > data ? hole : end3;
    runs.push({ position: data, length: stop - data, stored: true });
    at = stop;
  }
  return runs;
}
function found(libc, { fd, from, whence }) {
  const result = libc.lseek(fd, from, whence);
  if (result.errno === ENXIO) return Number.MAX_SAFE_INTEGER;
  return valueOf(result, "looking for holes") ?? from;
}
function valueOf({ value, errno }, what) {
  if (errno === void 0) return value;
  if (UNSUPPORTED.has(errno)) return void 0;
  throw errnoError(getSystemErrorName2(-errno), what);
}
async function libcIfAny() {
  try {
    return await loadLibc();
  } catch {
    return void 0;
  }
}
var PUNCH_HOLE_KEEPING_SIZE, SEEK_DATA, SEEK_HOLE, EXDEV, EOPNOTSUPP, EINVAL, ENOSYS, ENXIO, EPERM, ETXTBSY, UNSUPPORTED;
var init_ranges = __esm({
  "lib/os/ranges.ts"() {
    "use strict";
    init_effects();
    init_libc();
    PUNCH_HOLE_KEEPING_SIZE = 2 | 1;
    SEEK_DATA = 3;
    SEEK_HOLE = 4;
    ({ EXDEV, EOPNOTSUPP, EINVAL, ENOSYS, ENXIO, EPERM, ETXTBSY } = constants2.errno);
    UNSUPPORTED = /* @__PURE__ */ new Set([EXDEV, EOPNOTSUPP, EINVAL, ENOSYS, EPERM, ETXTBSY]);
  }
});

// lib/os/ReadHandle.ts
import * as fs from "node:fs";
async function openForReading(path14, flags, immediate = false) {
  if (immediate) return new ReadHandle(fs.openSync(path14, flags), true);
  return new Promise((resolve, reject) => {
    fs.open(path14, flags, (error, fd) => {
      if (error === null) resolve(new ReadHandle(fd, false));
      else reject(error);
    });
  });
}
async function notForWriting() {
  return Promise.reject(new Error("the file is open for reading only"));
}
var ReadHandle;
var init_ReadHandle = __esm({
  "lib/os/ReadHandle.ts"() {
    "use strict";
    ReadHandle = class {
      fd;
      #immediate;
      #reading = 0;
      #idle;
      constructor(fd, immediate) {
        this.fd = fd;
        this.#immediate = immediate;
      }
      async read(buffer, offset, length, position) {
        if (this.#immediate) return { bytesRead: fs.readSync(this.fd, buffer, offset, length, position) };
        this.#reading += 1;
        try {
          return await new Promise((resolve, reject) => {
            fs.read(this.fd, buffer, offset, length, position, (error, bytesRead) => {
              if (error === null) resolve({ bytesRead });
              else reject(error);
            });
          });
        } finally {
          this.#reading -= 1;
          if (this.#reading === 0) this.#idle?.();
        }
      }
      write() {
        return notForWriting();
      }
      truncate() {
        return notForWriting();
      }
      /** After reading only, there is nothing to make durable but what others wrote. */
      async sync() {
        await new Promise((resolve, reject) => {
          fs.fsync(this.fd, (error) => {
            if (error === null) resolve();
            else reject(error);
          });
        });
      }
      stat() {
        return Promise.resolve(fs.fstatSync(this.fd));
      }
      /** Waits for reads under way: their descriptor must not become another file's. */
      async close() {
        if (this.#reading > 0) {
          await new Promise((resolve) => {
            this.#idle = resolve;
          });
        }
        fs.closeSync(this.fd);
      }
    };
  }
});

// lib/os/DirectHandle.ts
var DirectHandle_exports = {};
__export(DirectHandle_exports, {
  openDirectly: () => openDirectly
});
import { constants as constants3, openSync as openSync2 } from "node:fs";
async function openDirectly(path14) {
  const { addressOf } = await loadLibc();
  return new DirectHandle(openSync2(path14, constants3.O_RDONLY | constants3.O_DIRECT), addressOf);
}
var ALIGNMENT, MAX_READ, DirectHandle;
var init_DirectHandle = __esm({
  "lib/os/DirectHandle.ts"() {
    "use strict";
    init_libc();
    init_ReadHandle();
    ALIGNMENT = 4096;
    MAX_READ = 1024 * 1024;
    DirectHandle = class extends ReadHandle {
      #addressOf;
      constructor(fd, addressOf) {
        super(fd, false);
        this.#addressOf = addressOf;
      }
      async read(buffer, offset, length, position) {
        const before = position % ALIGNMENT;
        const wanted = Math.min(length, MAX_READ - before);
        const blocks = this.#allocate(Math.ceil((before + wanted) / ALIGNMENT) * ALIGNMENT);
        const { bytesRead } = await super.read(blocks, 0, blocks.length, position - before);
        const got = Math.max(0, Math.min(bytesRead - before, wanted));
        blocks.copy(buffer, offset, before, before + got);
        return { bytesRead: got };
      }
      #allocate(length) {
        const memory = Buffer.allocUnsafeSlow(length + ALIGNMENT);
        const excess = Number(this.#addressOf(memory) % BigInt(ALIGNMENT));
        const start3 = excess === 0 ? 0 : ALIGNMENT - excess;
        return memory.subarray(start3, start3 + length);
      }
    };
  }
});

// lib/os/files.ts
import { constants as constants4 } from "node:fs";
import * as fs2 from "node:fs/promises";
import path2 from "node:path";
function isErrno(error, code) {
  return error instanceof Error && "code" in error && error.code === code;
}
var OpenFile, Files;
var init_files = __esm({
  "lib/os/files.ts"() {
    "use strict";
    init_blockDevice();
    init_effects();
    init_ranges();
    init_ReadHandle();
    OpenFile = class {
      #handle;
      #effects;
      path;
      constructor(handle, effects, filePath) {
        this.#handle = handle;
        this.#effects = effects;
        this.path = filePath;
      }
      get fd() {
        return this.#handle.fd;
      }
      /** Reads up to `length` bytes; the result is shorter only where the file ends. */
      async read(position, length) {
        const buffer = Buffer.allocUnsafe(length);
        const filled = await this.readInto(buffer, position);
        return filled === length ? buffer : buffer.subarray(0, filled);
      }
      /** Fills `buffer` from `position` and returns how many bytes the file had. */
      async readInto(buffer, position) {
        let done = 0;
        while (done < buffer.length) {
          const { bytesRead } = await this.#handle.read(buffer, done, buffer.length - done, position + done);
          if (bytesRead === 0) break;
          done += bytesRead;
        }
        return done;
      }
      /** Writes all of `buffer` at `position`. */
      async write(buffer, position) {
        this.#effects.before("file", `write ${this.path} ${position}+${buffer.length}`);
        let done = 0;
        while (done < buffer.length) {
          const { bytesWritten } = await this.#handle.write(buffer, done, buffer.length - done, position + done);
          done += bytesWritten;
        }
      }
      /**
       * Copies bytes of another file here inside the kernel, sharing blocks where the file system can. False where this
       * system or these two files have no such way, or the source ends before: part of it may have been copied.
       */
      async copyFrom(source, range2) {
        this.#effects.before("file", `copy ${source.path} ${this.path} ${range2.to}+${range2.length}`);
        return copyRange(source.fd, this.fd, range2);
      }
      /** Gives the room of a range back; it reads as zeroes then. False where the file system cannot: nothing has changed then. */
      async punchHole(position, length) {
        this.#effects.before("file", `punch ${this.path} ${position}+${length}`);
        return punchHole(this.fd, position, length);
      }
      /** Which parts of a range the file system has stored and which are holes, ascending and without gaps. */
      async runs(position, length) {
        return fileRuns(this.fd, position, length);
      }
      async truncate(length) {
        this.#effects.before("file", `truncate ${this.path} ${length}`);
        await this.#handle.truncate(length);
      }
      async sync() {
        this.#effects.before("file", `fsync ${this.path}`);
        await this.#handle.sync();
      }
      /**
       * Has this host forget what it keeps in memory of a block device, which another host may have changed since. What was
       * not written back yet is. Nothing happens for a file.
       */
      async dropCache() {
        if (!(await this.stat()).isBlockDevice()) return;
        this.#effects.before("file", `drop cache ${this.path}`);
        await flushBuffers(this.fd, this.path);
      }
      async stat() {
        return this.#handle.stat();
      }
      async close() {
        await this.#handle.close();
      }
    };
    Files = class {
      #effects;
      constructor(effects) {
        this.#effects = effects;
      }
      /** Opens for reading only. */
      async openRead(filePath) {
        return new OpenFile(await openForReading(filePath, constants4.O_RDONLY), this.#effects, filePath);
      }
      /**
       * Opens a regular file for reading only, without waiting for what turns out to be a pipe; `immediate` as for
       * `ReadHandle`. Throws EINVAL for a pipe or a device.
       */
      async openRegular(filePath, immediate = false) {
        const handle = await openForReading(filePath, constants4.O_RDONLY | constants4.O_NONBLOCK, immediate);
        const file = new OpenFile(handle, this.#effects, filePath);
        if ((await file.stat()).isFile()) return file;
        await file.close();
        throw errnoError("EINVAL", `${filePath} is not a regular file`);
      }
      /**
       * Opens for reading past this host's page cache: for a disk whose content is written under another name, as that of a
       * physical volume is through its logical volumes. A file that cannot be read so is read as any other.
       */
      async openDirect(filePath) {
        const { openDirectly: openDirectly2 } = await Promise.resolve().then(() => (init_DirectHandle(), DirectHandle_exports));
        try {
          return new OpenFile(await openDirectly2(filePath), this.#effects, filePath);
        } catch (error) {
          if (isErrno(error, "EINVAL")) return this.openRead(filePath);
          throw error;
        }
      }
      /** Opens an existing file for reading and writing. */
      async openWrite(filePath) {
        return new OpenFile(await fs2.open(filePath, "r+"), this.#effects, filePath);
      }
      /**
       * Creates a file for reading and writing; `exclusive` fails with EEXIST where one is, else it is emptied. A symbolic
       * link under the name is not followed (ELOOP).
       */
      async create(filePath, options = {}) {
        this.#effects.before("file", `create ${filePath}`);
        const { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDWR, O_TRUNC } = constants4;
        const flags = O_RDWR | O_CREAT | O_NOFOLLOW | (options.exclusive === true ? O_EXCL : O_TRUNC);
        const handle = await fs2.open(filePath, flags, options.mode ?? 420);
        return new OpenFile(handle, this.#effects, filePath);
      }
      /** Opens, runs `body`, closes whatever happens. */
      async using(file, body) {
        const opened = await file;
        try {
          return await body(opened);
        } finally {
          await opened.close();
        }
      }
      async readText(filePath) {
        return fs2.readFile(filePath, "utf8");
      }
      /** Directory entries, dot files included, sorted. */
      async list(directory) {
        return (await fs2.readdir(directory)).sort();
      }
      /** Names of a directory, sorted, and whether the directory itself says that they are regular files. */
      async listKinds(directory) {
        const entries = await fs2.readdir(directory, { withFileTypes: true });
        const names = entries.map((entry) => ({ name: entry.name, regular: entry.isFile() }));
        return names.sort((a, b) => a.name < b.name ? -1 : 1);
      }
      async stat(filePath) {
        return fs2.stat(filePath);
      }
      async lstat(filePath) {
        return fs2.lstat(filePath);
      }
      /** Device and inode without rounding, to compare two names of one file. */
      async identity(filePath) {
        return fs2.stat(filePath, { bigint: true });
      }
      async statfs(directory) {
        return fs2.statfs(directory);
      }
      /** Whether the name exists (the link itself, not what it points to). Errors other than "no such name" are thrown. */
      async exists(filePath) {
        try {
          await fs2.lstat(filePath);
          return true;
        } catch (error) {
          if (isErrno(error, "ENOENT") || isErrno(error, "ENOTDIR")) return false;
          throw error;
        }
      }
      /** Whether somebody has a block device in use: it cannot be opened exclusively. Other errors are thrown. */
      async isBusy(device) {
        try {
          await (await fs2.open(device, fs2.constants.O_RDWR | fs2.constants.O_EXCL)).close();
          return false;
        } catch (error) {
          if (isErrno(error, "EBUSY")) return true;
          throw error;
        }
      }
      async realpath(filePath) {
        return fs2.realpath(filePath);
      }
      async readlink(filePath) {
        return fs2.readlink(filePath);
      }
      async link(existing, name) {
        this.#effects.before("file", `link ${existing} ${name}`);
        await fs2.link(existing, name);
      }
      async symlink(target, name) {
        this.#effects.before("file", `symlink ${target} ${name}`);
        await fs2.symlink(target, name);
      }
      async rename(from, to) {
        this.#effects.before("file", `rename ${from} ${to}`);
        await fs2.rename(from, to);
      }
      async unlink(filePath) {
        this.#effects.before("file", `unlink ${filePath}`);
        await fs2.unlink(filePath);
      }
      /** Removes a name if it exists; says whether it did. */
      async unlinkIfPresent(filePath) {
        try {
          await this.unlink(filePath);
          return true;
        } catch (error) {
          if (isErrno(error, "ENOENT")) return false;
          throw error;
        }
      }
      async makeDirectory(directory, options = {}) {
        this.#effects.before("file", `mkdir ${directory}`);
        await fs2.mkdir(directory, { mode: options.mode ?? 493, recursive: options.recursive ?? false });
      }
      async removeDirectory(directory) {
        this.#effects.before("file", `rmdir ${directory}`);
        await fs2.rmdir(directory);
      }
      async changeMode(filePath, mode) {
        this.#effects.before("file", `chmod ${filePath} ${mode.toString(8)}`);
        await fs2.chmod(filePath, mode);
      }
      async append(filePath, text3) {
        this.#effects.before("file", `append ${filePath}`);
        await fs2.appendFile(filePath, text3);
      }
      /** Makes the names in a directory durable. */
      async syncDirectory(directory) {
        this.#effects.before("file", `fsync ${directory}`);
        const handle = await fs2.open(directory, "r");
        try {
          await handle.sync();
        } finally {
          await handle.close();
        }
      }
      /**
       * Replaces or creates a file so that a power cut leaves the old text or the new one, both whole:
       * temporary file, fsync, rename, fsync of the directory.
       */
      async writeDurably(filePath, text3, temporary = `${filePath}.new`) {
        await this.using(this.create(temporary), async (file) => {
          await file.write(Buffer.from(text3), 0);
          await file.sync();
        });
        await this.rename(temporary, filePath);
        await this.syncDirectory(path2.dirname(filePath));
      }
    };
  }
});

// lib/xapi/XapiClient.ts
var XapiError;
var init_XapiClient = __esm({
  "lib/xapi/XapiClient.ts"() {
    "use strict";
    XapiError = class extends Error {
      code;
      params;
      constructor(code, params) {
        super(params.length === 0 ? code : `${code}: ${params.join(", ")}`);
        this.name = "XapiError";
        this.code = code;
        this.params = params;
      }
    };
  }
});

// lib/toolstack/api/types.ts
var Typed;
var init_types = __esm({
  "lib/toolstack/api/types.ts"() {
    "use strict";
    Typed = class {
      type;
      value;
      constructor(type, value) {
        this.type = type;
        this.value = value;
      }
    };
  }
});

// lib/toolstack/http/answering.ts
var maxBodyBytes;
var init_answering = __esm({
  "lib/toolstack/http/answering.ts"() {
    "use strict";
    maxBodyBytes = 16 * 1024 * 1024;
  }
});

// lib/smapi/xmlrpc-value.ts
function isStruct(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof XmlDate);
}
var XmlDate, XmlRpcError;
var init_xmlrpc_value = __esm({
  "lib/smapi/xmlrpc-value.ts"() {
    "use strict";
    XmlDate = class {
      text;
      constructor(text3) {
        this.text = text3;
      }
    };
    XmlRpcError = class extends Error {
      constructor(message2, options) {
        super(message2, options);
        this.name = "XmlRpcError";
      }
    };
  }
});

// lib/smapi/xml.ts
import { Parser } from "xml2js/lib/parser.js";
function parseXml(xml, vocabulary2, maxBytes) {
  if (Buffer.byteLength(xml) > maxBytes) throw new XmlRpcError(`document is longer than ${maxBytes} bytes`);
  refuseForbidden(xml);
  const tree = parseTree(xml.replace(/\r\n?/g, "\n"), vocabulary2);
  const [entry, ...more] = typeof tree === "object" && tree !== null ? Object.entries(tree) : [];
  if (entry === void 0 || more.length > 0) throw new XmlRpcError("document has no root element");
  return { name: entry[0], root: toElement(entry[1], 1) };
}
function refuseForbidden(text3) {
  const found2 = NOT_XML_CHARACTER.exec(text3)?.[0].codePointAt(0);
  if (found2 !== void 0) throw new XmlRpcError(`character ${found2.toString(16)} is not allowed in XML`);
}
function parseTree(xml, vocabulary2) {
  const refuse = (what) => () => {
    throw new XmlRpcError(`${what} is not accepted`);
  };
  const knownName = (name) => vocabulary2.has(name) ? name : refuse(`element ${name}`)();
  const parser = new Parser({
    explicitArray: true,
    ignoreAttrs: true,
    charkey: TEXT,
    tagNameProcessors: [knownName]
  });
  parser.saxParser.ENTITIES = Object.assign(/* @__PURE__ */ Object.create(null), ENTITIES);
  parser.saxParser.ondoctype = refuse("DOCTYPE");
  parser.saxParser.onsgmldeclaration = refuse("a markup declaration");
  return runParser(parser, xml);
}
function runParser(parser, xml) {
  const roots = [];
  const failures = [];
  parser.on("end", (root2) => roots.push(root2));
  parser.on("error", (error) => failures.push(error));
  try {
    parser.parseString(xml);
  } catch (error) {
    failures.push(error);
  }
  const [failure2] = failures;
  if (failure2 instanceof XmlRpcError) throw failure2;
  if (failure2 !== void 0) throw new XmlRpcError(`not well-formed XML: ${firstLine(failure2)}`, { cause: failure2 });
  if (roots.length !== 1) throw new XmlRpcError("document must have one root element");
  return roots[0];
}
function firstLine(error) {
  return (error instanceof Error ? error.message : String(error)).split("\n", 1)[0] ?? "";
}
function toElement(node, depth) {
  if (depth > MAX_DEPTH) throw new XmlRpcError(`elements are nested deeper than ${MAX_DEPTH}`);
  if (typeof node === "string") return { text: checked(node), children: /* @__PURE__ */ new Map() };
  const children = /* @__PURE__ */ new Map();
  let text3 = "";
  for (const [key, content2] of Object.entries(node)) {
    if (key === TEXT) text3 = checked(String(content2));
    else if (Array.isArray(content2)) {
      children.set(
        key,
        content2.map((child) => toElement(child, depth + 1))
      );
    }
  }
  return { text: children.size > 0 && text3.trim() === "" ? "" : text3, children };
}
function checked(text3) {
  refuseForbidden(text3);
  return text3;
}
var MAX_DEPTH, TEXT, ENTITIES, NOT_XML_CHARACTER;
var init_xml = __esm({
  "lib/smapi/xml.ts"() {
    "use strict";
    init_xmlrpc_value();
    MAX_DEPTH = 256;
    TEXT = "#text";
    ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
    NOT_XML_CHARACTER = /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/u;
  }
});

// lib/smapi/xmlrpc-decode.ts
function decodeMethodCall(xml, maxBytes = DEFAULT_MAX_BYTES) {
  const { name, root: root2 } = parseXml(xml, vocabulary, maxBytes);
  if (name !== "methodCall") throw new XmlRpcError(`the root element is ${name}, not methodCall`);
  const parts = childrenOf(root2, ["methodName", "params"]);
  const method2 = textOf(required(parts, "methodName")).trim();
  if (!/^[\w.:/-]+$/.test(method2)) throw new XmlRpcError("methodName is malformed");
  const params = parts.get("params");
  return { method: method2, params: params === void 0 ? [] : decodeParams(params) };
}
function decodeMethodResponse(xml, maxBytes = DEFAULT_MAX_BYTES) {
  const { name, root: root2 } = parseXml(xml, vocabulary, maxBytes);
  if (name !== "methodResponse") throw new XmlRpcError(`the root element is ${name}, not methodResponse`);
  const parts = childrenOf(root2, ["params", "fault"]);
  const fault = parts.get("fault");
  if (fault !== void 0 && parts.size === 1) return { fault: decodeFault(fault) };
  const [value, ...more] = decodeParams(required(parts, "params"));
  if (value === void 0 || more.length > 0 || fault !== void 0) {
    throw new XmlRpcError("an answer must be one value or one fault");
  }
  return { value };
}
function decodeFault(element2) {
  const value = decodeValue(onlyChild(element2, "value"));
  const code = isStruct(value) ? value["faultCode"] : void 0;
  const message2 = isStruct(value) ? value["faultString"] : void 0;
  if (typeof code !== "number" || typeof message2 !== "string") throw new XmlRpcError("malformed fault");
  return { code, message: message2 };
}
function decodeParams(element2) {
  return listOf(element2, "param").map((param) => decodeValue(onlyChild(param, "value")));
}
function decodeValue(element2) {
  if (element2.children.size === 0) return element2.text;
  const [entry, ...more] = element2.children;
  if (entry === void 0 || more.length > 0 || element2.text !== "") throw new XmlRpcError("value has mixed content");
  const [type, elements] = entry;
  const content2 = elements[0];
  if (content2 === void 0 || elements.length > 1) throw new XmlRpcError("value has more than one content");
  if (type === "struct") return decodeStruct(content2);
  if (type === "array") return listOf(onlyChild(content2, "data"), "value").map(decodeValue);
  const decode2 = scalars.get(type);
  if (decode2 === void 0) throw new XmlRpcError(`${type} is no type of value`);
  return decode2(textOf(content2));
}
function decodeStruct(element2) {
  const struct2 = /* @__PURE__ */ Object.create(null);
  for (const member2 of listOf(element2, "member")) {
    const parts = childrenOf(member2, ["name", "value"]);
    struct2[textOf(required(parts, "name"))] = decodeValue(required(parts, "value"));
  }
  return struct2;
}
function decodeInteger(text3) {
  const value = /^\s*[+-]?\d+\s*$/.test(text3) ? Number(text3) : NaN;
  if (!Number.isSafeInteger(value)) throw new XmlRpcError("malformed integer");
  return value;
}
function decodeDouble(text3) {
  const value = /^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(text3) ? Number(text3) : NaN;
  if (!Number.isFinite(value)) throw new XmlRpcError("malformed double");
  return value;
}
function decodeBoolean(text3) {
  const digit = text3.trim();
  if (digit !== "0" && digit !== "1") throw new XmlRpcError("malformed boolean");
  return digit === "1";
}
function decodeBase64(text3) {
  const packed = text3.replace(/\s+/g, "");
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(packed)) {
    throw new XmlRpcError("malformed base64");
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.from(packed, "base64"));
  } catch (error) {
    throw new XmlRpcError("base64 does not hold UTF-8 text", { cause: error });
  }
}
function childrenOf(element2, names) {
  if (element2.text.trim() !== "") throw new XmlRpcError("text where only elements may be");
  const parts = /* @__PURE__ */ new Map();
  for (const [name, [first, ...more]] of element2.children) {
    if (first === void 0 || more.length > 0 || !names.includes(name)) throw new XmlRpcError(`misplaced ${name}`);
    parts.set(name, first);
  }
  return parts;
}
function onlyChild(element2, name) {
  return required(childrenOf(element2, [name]), name);
}
function required(parts, name) {
  const part = parts.get(name);
  if (part === void 0) throw new XmlRpcError(`${name} is missing`);
  return part;
}
function listOf(element2, name) {
  const isList3 = element2.text.trim() === "" && [...element2.children.keys()].every((key) => key === name);
  if (!isList3) throw new XmlRpcError(`only ${name} elements may be here`);
  return element2.children.get(name) ?? [];
}
function textOf(element2) {
  if (element2.children.size > 0) throw new XmlRpcError("elements where only text may be");
  return element2.text;
}
var DEFAULT_MAX_BYTES, scalars, vocabulary;
var init_xmlrpc_decode = __esm({
  "lib/smapi/xmlrpc-decode.ts"() {
    "use strict";
    init_xml();
    init_xmlrpc_value();
    DEFAULT_MAX_BYTES = 1024 * 1024;
    scalars = /* @__PURE__ */ new Map([
      ["string", (text3) => text3],
      ["int", decodeInteger],
      ["i4", decodeInteger],
      ["i8", decodeInteger],
      ["double", decodeDouble],
      ["boolean", decodeBoolean],
      ["nil", () => null],
      ["dateTime.iso8601", (text3) => new XmlDate(text3.trim())],
      ["base64", decodeBase64]
    ]);
    vocabulary = /* @__PURE__ */ new Set([
      ...scalars.keys(),
      ...["methodCall", "methodName", "methodResponse", "params", "param", "fault"],
      ...["value", "struct", "member", "name", "array", "data"]
    ]);
  }
});

// lib/smapi/xmlrpc-encode.ts
function encodeMethodResponse(value) {
  return `${DECLARATION}<methodResponse>
${encodeParams([value])}</methodResponse>
`;
}
function encodeFault(code, message2) {
  const fault = encodeValue({ faultCode: code, faultString: message2 });
  return `${DECLARATION}<methodResponse>
<fault>
${fault}</fault>
</methodResponse>
`;
}
function encodeMethodCall(method2, params) {
  return `${DECLARATION}<methodCall>
<methodName>${escape(method2)}</methodName>
${encodeParams(params)}</methodCall>
`;
}
function encodeParams(params) {
  return `<params>
${params.map((param) => `<param>
${encodeValue(param)}</param>
`).join("")}</params>
`;
}
function encodeValue(value) {
  if (value === null) return "<value><nil/></value>";
  return `<value>${encodeContent(value)}</value>
`;
}
function encodeContent(value) {
  switch (typeof value) {
    case "string":
      return `<string>${escape(value)}</string>`;
    case "boolean":
      return `<boolean>${value ? "1" : "0"}</boolean>`;
    case "number":
      return `<int>${checkedInt(value)}</int>`;
    case "object":
      break;
    default:
      throw new XmlRpcError(`a value of type ${typeof value} cannot be sent`);
  }
  if (value instanceof XmlDate) return `<dateTime.iso8601>${escape(value.text)}</dateTime.iso8601>`;
  if (isList(value)) return `<array><data>
${value.map(encodeValue).join("")}</data></array>`;
  return `<struct>
${Object.entries(value).map(encodeMember).join("")}</struct>`;
}
function checkedInt(value) {
  if (Number.isInteger(value) && value >= MIN_INT && value <= MAX_INT) return value;
  throw new XmlRpcError(`${value} is no 32-bit integer`);
}
function isList(value) {
  return Array.isArray(value);
}
function encodeMember([name, value]) {
  return `<member>
<name>${escape(name)}</name>
${encodeValue(value)}</member>
`;
}
function escape(text3) {
  return text3.replace(NOT_XML_CHARACTER2, "\uFFFD").replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll("\r", "&#13;");
}
var DECLARATION, NOT_XML_CHARACTER2, MAX_INT, MIN_INT;
var init_xmlrpc_encode = __esm({
  "lib/smapi/xmlrpc-encode.ts"() {
    "use strict";
    init_xmlrpc_value();
    DECLARATION = "<?xml version='1.0'?>\n";
    NOT_XML_CHARACTER2 = /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu;
    MAX_INT = 2147483647;
    MIN_INT = -2147483648;
  }
});

// lib/smapi/xmlrpc.ts
var xmlrpc_exports = {};
__export(xmlrpc_exports, {
  XmlDate: () => XmlDate,
  XmlRpcError: () => XmlRpcError,
  decodeMethodCall: () => decodeMethodCall,
  decodeMethodResponse: () => decodeMethodResponse,
  encodeFault: () => encodeFault,
  encodeMethodCall: () => encodeMethodCall,
  encodeMethodResponse: () => encodeMethodResponse,
  isStruct: () => isStruct
});
var init_xmlrpc = __esm({
  "lib/smapi/xmlrpc.ts"() {
    "use strict";
    init_xmlrpc_decode();
    init_xmlrpc_encode();
    init_xmlrpc_value();
  }
});

// lib/toolstack/schema/field.ts
function defineClass(fields, options = {}) {
  return { fields, writable: [], smOnly: [], derived: [], transient: false, listed: true, ...options };
}
function defaultOf(type) {
  return defaults[type];
}
function isOfType(value, type) {
  switch (type) {
    case "string":
    case "ref":
    case "datetime":
      return typeof value === "string";
    case "int":
      return Number.isSafeInteger(value);
    case "float":
      return typeof value === "number" && Number.isFinite(value);
    case "bool":
      return typeof value === "boolean";
    case "strings":
    case "refs":
      return Array.isArray(value) && value.every((item) => typeof item === "string");
    case "map":
      return isMapOf(value, (item) => typeof item === "string");
    case "intMap":
      return isMapOf(value, (item) => Number.isSafeInteger(item));
  }
}
function isMapOf(value, test) {
  return typeof value === "object" && value !== null && !Array.isArray(value) && Object.values(value).every(test);
}
var nullRef, epoch, defaults;
var init_field = __esm({
  "lib/toolstack/schema/field.ts"() {
    "use strict";
    nullRef = "OpaqueRef:NULL";
    epoch = "19700101T00:00:00Z";
    defaults = {
      string: "",
      int: 0,
      float: 0,
      bool: false,
      datetime: epoch,
      ref: nullRef,
      strings: [],
      refs: [],
      map: {},
      intMap: {}
    };
  }
});

// lib/toolstack/schema/host.ts
var session, pool, host, host_metrics, task, message, secret;
var init_host = __esm({
  "lib/toolstack/schema/host.ts"() {
    "use strict";
    init_field();
    session = defineClass(
      {
        uuid: "string",
        this_host: "ref",
        this_user: "ref",
        last_active: "datetime",
        pool: "bool",
        other_config: "map",
        is_local_superuser: "bool",
        auth_user_name: "string",
        originator: "string"
      },
      { transient: true, listed: false, writable: ["other_config"] }
    );
    pool = defineClass(
      {
        uuid: "string",
        name_label: "string",
        name_description: "string",
        master: "ref",
        default_SR: "ref",
        suspend_image_SR: "ref",
        crash_dump_SR: "ref",
        other_config: "map",
        ha_enabled: "bool",
        ha_configuration: "map",
        ha_statefiles: "strings",
        restrictions: "map",
        tags: "strings",
        gui_config: "map",
        blobs: "map",
        current_operations: "map",
        allowed_operations: "strings",
        cpu_info: "map"
      },
      {
        writable: [
          "name_label",
          "name_description",
          "default_SR",
          "suspend_image_SR",
          "crash_dump_SR",
          "other_config",
          "tags",
          "gui_config"
        ]
      }
    );
    host = defineClass(
      {
        uuid: "string",
        name_label: "string",
        name_description: "string",
        allowed_operations: "strings",
        current_operations: "map",
        API_version_major: "int",
        API_version_minor: "int",
        API_version_vendor: "string",
        enabled: "bool",
        software_version: "map",
        other_config: "map",
        resident_VMs: "refs",
        PBDs: "refs",
        hostname: "string",
        address: "string",
        metrics: "ref",
        license_params: "map",
        edition: "string",
        tags: "strings",
        cpu_info: "map",
        local_cache_sr: "ref",
        suspend_image_sr: "ref",
        crash_dump_sr: "ref",
        control_domain: "ref",
        features: "refs",
        iscsi_iqn: "string",
        multipathing: "bool"
      },
      {
        writable: ["name_label", "name_description", "other_config", "tags", "suspend_image_sr", "crash_dump_sr"],
        derived: ["PBDs", "resident_VMs"]
      }
    );
    host_metrics = defineClass({
      uuid: "string",
      memory_total: "int",
      memory_free: "int",
      live: "bool",
      last_updated: "datetime"
    });
    task = defineClass(
      {
        uuid: "string",
        name_label: "string",
        name_description: "string",
        allowed_operations: "strings",
        current_operations: "map",
        created: "datetime",
        finished: "datetime",
        status: "string",
        resident_on: "ref",
        progress: "float",
        type: "string",
        result: "string",
        error_info: "strings",
        other_config: "map",
        subtask_of: "ref",
        subtasks: "refs",
        backtrace: "string"
      },
      { transient: true, writable: ["other_config", "status", "progress"], derived: ["subtasks"] }
    );
    message = defineClass({
      uuid: "string",
      name: "string",
      priority: "int",
      cls: "string",
      obj_uuid: "string",
      timestamp: "datetime",
      body: "string"
    });
    secret = defineClass(
      { uuid: "string", value: "string", other_config: "map" },
      { writable: ["value", "other_config"] }
    );
  }
});

// lib/toolstack/schema/network.ts
var network, VIF;
var init_network = __esm({
  "lib/toolstack/schema/network.ts"() {
    "use strict";
    init_field();
    network = defineClass(
      {
        uuid: "string",
        name_label: "string",
        name_description: "string",
        allowed_operations: "strings",
        current_operations: "map",
        VIFs: "refs",
        PIFs: "refs",
        MTU: "int",
        other_config: "map",
        bridge: "string",
        managed: "bool",
        blobs: "map",
        tags: "strings",
        default_locking_mode: "string",
        assigned_ips: "map",
        purpose: "strings"
      },
      { writable: ["name_label", "name_description", "other_config", "tags"], derived: ["VIFs"] }
    );
    VIF = defineClass(
      {
        uuid: "string",
        allowed_operations: "strings",
        current_operations: "map",
        device: "string",
        network: "ref",
        VM: "ref",
        MAC: "string",
        MTU: "int",
        other_config: "map",
        currently_attached: "bool",
        status_code: "int",
        status_detail: "string",
        runtime_properties: "map",
        qos_algorithm_type: "string",
        qos_algorithm_params: "map",
        qos_supported_algorithms: "strings",
        metrics: "ref",
        MAC_autogenerated: "bool",
        locking_mode: "string",
        ipv4_allowed: "strings",
        ipv6_allowed: "strings"
      },
      { writable: ["other_config", "qos_algorithm_type", "qos_algorithm_params"] }
    );
  }
});

// lib/toolstack/schema/storage.ts
var SM, SR, PBD, VDI, VBD;
var init_storage = __esm({
  "lib/toolstack/schema/storage.ts"() {
    "use strict";
    init_field();
    SM = defineClass(
      {
        uuid: "string",
        name_label: "string",
        name_description: "string",
        type: "string",
        vendor: "string",
        copyright: "string",
        version: "string",
        required_api_version: "string",
        configuration: "map",
        capabilities: "strings",
        features: "intMap",
        other_config: "map",
        driver_filename: "string",
        required_cluster_stack: "strings",
        supported_image_formats: "strings",
        host_pending_features: "map"
      },
      { writable: ["other_config"] }
    );
    SR = defineClass(
      {
        uuid: "string",
        name_label: "string",
        name_description: "string",
        allowed_operations: "strings",
        current_operations: "map",
        VDIs: "refs",
        PBDs: "refs",
        virtual_allocation: "int",
        physical_utilisation: "int",
        physical_size: "int",
        type: "string",
        content_type: "string",
        shared: "bool",
        other_config: "map",
        tags: "strings",
        sm_config: "map",
        blobs: "map",
        local_cache_enabled: "bool",
        introduced_by: "ref",
        clustered: "bool",
        is_tools_sr: "bool"
      },
      {
        writable: ["name_label", "name_description", "other_config", "sm_config", "tags"],
        smOnly: ["virtual_allocation", "physical_size", "physical_utilisation"],
        derived: ["allowed_operations", "VDIs", "PBDs"]
      }
    );
    PBD = defineClass(
      {
        uuid: "string",
        host: "ref",
        SR: "ref",
        device_config: "map",
        currently_attached: "bool",
        other_config: "map"
      },
      { writable: ["other_config"], smOnly: ["device_config"] }
    );
    VDI = defineClass(
      {
        uuid: "string",
        name_label: "string",
        name_description: "string",
        allowed_operations: "strings",
        current_operations: "map",
        SR: "ref",
        VBDs: "refs",
        crash_dumps: "refs",
        virtual_size: "int",
        physical_utilisation: "int",
        type: "string",
        sharable: "bool",
        read_only: "bool",
        other_config: "map",
        storage_lock: "bool",
        location: "string",
        managed: "bool",
        missing: "bool",
        parent: "ref",
        xenstore_data: "map",
        sm_config: "map",
        is_a_snapshot: "bool",
        snapshot_of: "ref",
        snapshots: "refs",
        snapshot_time: "datetime",
        tags: "strings",
        allow_caching: "bool",
        on_boot: "string",
        metadata_of_pool: "ref",
        metadata_latest: "bool",
        is_tools_iso: "bool",
        cbt_enabled: "bool"
      },
      {
        writable: ["name_label", "name_description", "other_config", "xenstore_data", "sm_config", "tags", "allow_caching"],
        smOnly: [
          "sharable",
          "managed",
          "read_only",
          "missing",
          "virtual_size",
          "physical_utilisation",
          "is_a_snapshot",
          "snapshot_of",
          "snapshot_time",
          "metadata_of_pool",
          "cbt_enabled"
        ],
        derived: ["allowed_operations", "VBDs", "snapshots"]
      }
    );
    VBD = defineClass(
      {
        uuid: "string",
        allowed_operations: "strings",
        current_operations: "map",
        VM: "ref",
        VDI: "ref",
        device: "string",
        userdevice: "string",
        bootable: "bool",
        mode: "string",
        type: "string",
        unpluggable: "bool",
        storage_lock: "bool",
        empty: "bool",
        other_config: "map",
        currently_attached: "bool",
        reserved: "bool",
        status_code: "int",
        status_detail: "string",
        runtime_properties: "map",
        qos_algorithm_type: "string",
        qos_algorithm_params: "map",
        qos_supported_algorithms: "strings",
        metrics: "ref"
      },
      { writable: ["userdevice", "bootable", "unpluggable", "other_config"] }
    );
  }
});

// lib/toolstack/schema/vm.ts
var VM;
var init_vm = __esm({
  "lib/toolstack/schema/vm.ts"() {
    "use strict";
    init_field();
    VM = defineClass(
      {
        uuid: "string",
        allowed_operations: "strings",
        current_operations: "map",
        name_label: "string",
        name_description: "string",
        power_state: "string",
        user_version: "int",
        is_a_template: "bool",
        is_default_template: "bool",
        suspend_VDI: "ref",
        resident_on: "ref",
        scheduled_to_be_resident_on: "ref",
        affinity: "ref",
        memory_overhead: "int",
        memory_target: "int",
        memory_static_max: "int",
        memory_dynamic_max: "int",
        memory_dynamic_min: "int",
        memory_static_min: "int",
        VCPUs_params: "map",
        VCPUs_max: "int",
        VCPUs_at_startup: "int",
        actions_after_softreboot: "string",
        actions_after_shutdown: "string",
        actions_after_reboot: "string",
        actions_after_crash: "string",
        consoles: "refs",
        VIFs: "refs",
        VBDs: "refs",
        VUSBs: "refs",
        crash_dumps: "refs",
        VTPMs: "refs",
        PV_bootloader: "string",
        PV_kernel: "string",
        PV_ramdisk: "string",
        PV_args: "string",
        PV_bootloader_args: "string",
        PV_legacy_args: "string",
        HVM_boot_policy: "string",
        HVM_boot_params: "map",
        HVM_shadow_multiplier: "float",
        platform: "map",
        PCI_bus: "string",
        other_config: "map",
        domid: "int",
        domarch: "string",
        last_boot_CPU_flags: "map",
        is_control_domain: "bool",
        metrics: "ref",
        guest_metrics: "ref",
        last_booted_record: "string",
        recommendations: "string",
        xenstore_data: "map",
        ha_always_run: "bool",
        ha_restart_priority: "string",
        is_a_snapshot: "bool",
        snapshot_of: "ref",
        snapshots: "refs",
        snapshot_time: "datetime",
        transportable_snapshot_id: "string",
        blobs: "map",
        tags: "strings",
        blocked_operations: "map",
        snapshot_info: "map",
        snapshot_metadata: "string",
        parent: "ref",
        children: "refs",
        bios_strings: "map",
        protection_policy: "ref",
        is_snapshot_from_vmpp: "bool",
        snapshot_schedule: "ref",
        is_vmss_snapshot: "bool",
        appliance: "ref",
        start_delay: "int",
        shutdown_delay: "int",
        order: "int",
        VGPUs: "refs",
        attached_PCIs: "refs",
        suspend_SR: "ref",
        version: "int",
        generation_id: "string",
        hardware_platform_version: "int",
        has_vendor_device: "bool",
        requires_reboot: "bool",
        reference_label: "string",
        domain_type: "string",
        NVRAM: "map"
      },
      {
        writable: [
          ...["name_label", "name_description", "user_version", "is_a_template", "affinity", "VCPUs_params"],
          ...["actions_after_shutdown", "actions_after_reboot", "actions_after_crash"],
          ...["PV_bootloader", "PV_kernel", "PV_ramdisk", "PV_args", "PV_bootloader_args", "PV_legacy_args"],
          ...[
            "HVM_boot_params",
            "HVM_shadow_multiplier",
            "platform",
            "PCI_bus",
            "other_config",
            "recommendations"
          ],
          ...[
            "xenstore_data",
            "ha_always_run",
            "ha_restart_priority",
            "tags",
            "blocked_operations",
            "suspend_SR"
          ],
          ...["start_delay", "shutdown_delay", "order", "NVRAM"]
        ],
        derived: ["allowed_operations", "VBDs", "VIFs", "snapshots", "children"]
      }
    );
  }
});

// lib/toolstack/schema/schema.ts
function isClassName(name) {
  return Object.hasOwn(schema, name);
}
function definitionOf(className) {
  return schema[className];
}
function fieldTypeOf(className, field) {
  const { fields } = definitionOf(className);
  return Object.hasOwn(fields, field) ? fields[field] : void 0;
}
var schema, classNames;
var init_schema = __esm({
  "lib/toolstack/schema/schema.ts"() {
    "use strict";
    init_host();
    init_network();
    init_storage();
    init_vm();
    schema = {
      session,
      pool,
      host,
      host_metrics,
      SM,
      SR,
      PBD,
      VDI,
      VBD,
      VM,
      VIF,
      network,
      task,
      message,
      secret
    };
    classNames = Object.keys(schema);
  }
});

// lib/toolstack/http/xml-encode.ts
var xml_encode_exports = {};
__export(xml_encode_exports, {
  encodeBare: () => encodeBare,
  encodeFailure: () => encodeFailure,
  encodeSuccess: () => encodeSuccess,
  encodeValue: () => encodeValue2
});
function encodeValue2(value, type) {
  if (value instanceof Typed) return encodeValue2(value.value, value.type);
  return `<value>${encodeContent2(value, type)}</value>`;
}
function encodeSuccess(value, type) {
  return encodeAnswer(struct([member("Status", text("Success")), member("Value", encodeValue2(value, type))]));
}
function encodeFailure(description) {
  const list2 = encodeValue2(description, "strings");
  return encodeAnswer(struct([member("Status", text("Failure")), member("ErrorDescription", list2)]));
}
function encodeBare(value, type) {
  return encodeAnswer(encodeValue2(value, type));
}
function encodeAnswer(value) {
  return `<?xml version="1.0"?><methodResponse><params><param>${value}</param></params></methodResponse>`;
}
function encodeContent2(value, type) {
  if (typeof type === "object") return encodeCompound(value, type);
  switch (type) {
    case "void":
      return "";
    case "int32":
      return `<i4>${String(value)}</i4>`;
    case "float":
      return `<double>${String(value)}</double>`;
    case "bool":
      return `<boolean>${value === true ? "1" : "0"}</boolean>`;
    case "datetime":
      return `<dateTime.iso8601>${escape2(String(value))}</dateTime.iso8601>`;
    case "strings":
    case "refs":
      return array(itemsOf(value).map((item) => text(String(item))));
    case "map":
    case "intMap":
      return membersOf(value, "string");
    case "typed":
      throw new TypeError("a value without its type");
    case "string":
    case "ref":
    case "int":
      return escape2(String(value));
  }
}
function encodeCompound(value, type) {
  if ("listOf" in type) return array(itemsOf(value).map((item) => encodeValue2(item, type.listOf)));
  if ("mapOf" in type) return membersOf(value, type.mapOf);
  const fields = "record" in type ? definitionOf(type.record).fields : type.struct;
  const record = value;
  const members = Object.entries(fields).map(([name, fieldType]) => member(name, encodeValue2(record[name], fieldType)));
  return `<struct>${members.join("")}</struct>`;
}
function membersOf(value, type) {
  const entries = Object.entries(value);
  return `<struct>${entries.map(([name, item]) => member(name, encodeValue2(item, type))).join("")}</struct>`;
}
function itemsOf(value) {
  return value;
}
function array(values) {
  return `<array><data>${values.join("")}</data></array>`;
}
function struct(members) {
  return `<value><struct>${members.join("")}</struct></value>`;
}
function member(name, value) {
  return `<member><name>${escape2(name)}</name>${value}</member>`;
}
function text(value) {
  return `<value>${escape2(value)}</value>`;
}
function escape2(value) {
  return value.replace(notXmlCharacter, "\uFFFD").replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll("\r", "&#13;");
}
var notXmlCharacter;
var init_xml_encode = __esm({
  "lib/toolstack/http/xml-encode.ts"() {
    "use strict";
    init_types();
    init_schema();
    notXmlCharacter = /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu;
  }
});

// lib/toolstack/http/xml-endpoint.ts
var xml_endpoint_exports = {};
__export(xml_endpoint_exports, {
  answerXml: () => answerXml,
  xmlContentType: () => xmlContentType
});
async function answerXml(body, answer) {
  try {
    const { method: method2, params } = decodeMethodCall(body, maxBodyBytes);
    const { value, type } = await answer(method2, params.map(plain2));
    return method2 === "system.listMethods" ? encodeBare(value, type) : encodeSuccess(value, type);
  } catch (error) {
    if (error instanceof XapiError) return encodeFailure([error.code, ...error.params]);
    if (error instanceof XmlRpcError) return encodeFailure(["INTERNAL_ERROR", error.message]);
    throw error;
  }
}
function plain2(value) {
  if (value instanceof XmlDate) return value.text;
  if (Array.isArray(value)) return value.map(plain2);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, plain2(item)]));
}
var xmlContentType;
var init_xml_endpoint = __esm({
  "lib/toolstack/http/xml-endpoint.ts"() {
    "use strict";
    init_xmlrpc();
    init_XapiClient();
    init_xml_encode();
    init_answering();
    xmlContentType = "text/xml";
  }
});

// lib/disk/isZero.ts
function isZero(bytes) {
  return bytes.length === 0 || bytes[0] === 0 && bytes.compare(bytes, 0, bytes.length - 1, 1, bytes.length) === 0;
}
var init_isZero = __esm({
  "lib/disk/isZero.ts"() {
    "use strict";
  }
});

// lib/disk/RangeCursor.ts
var RangeCursor;
var init_RangeCursor = __esm({
  "lib/disk/RangeCursor.ts"() {
    "use strict";
    RangeCursor = class {
      #ranges;
      #next = 0;
      constructor(ranges) {
        this.#ranges = ranges;
      }
      overlaps(position, length) {
        for (; ; ) {
          const range2 = this.#ranges[this.#next];
          if (range2 === void 0) return false;
          if (range2.offset + range2.length > position) return range2.offset < position + length;
          this.#next += 1;
        }
      }
    };
  }
});

// lib/disk/copyDisk.ts
var copyDisk_exports = {};
__export(copyDisk_exports, {
  copyDisk: () => copyDisk
});
async function copyDisk(source, target) {
  const there = new RangeCursor(source.allocatedRanges());
  const here = new RangeCursor(target.allocatedRanges());
  for (let position = 0; position < source.virtualSize; position += copyBlock) {
    const length = Math.min(copyBlock, source.virtualSize - position);
    const isUsed = here.overlaps(position, length);
    const bytes = there.overlaps(position, length) ? await source.read(position, length) : void 0;
    if (bytes !== void 0 && !isZero(bytes)) await target.write(position, bytes);
    else if (isUsed) await target.writeZeroes(position, length);
  }
  await target.flush();
}
var copyBlock;
var init_copyDisk = __esm({
  "lib/disk/copyDisk.ts"() {
    "use strict";
    init_isZero();
    init_RangeCursor();
    copyBlock = 2 * 1024 * 1024;
  }
});

// lib/smapi/sm-errors.json
var sm_errors_default;
var init_sm_errors = __esm({
  "lib/smapi/sm-errors.json"() {
    sm_errors_default = [
      {
        name: "InvalidArg",
        code: 1,
        description: "An argument or parameter of the call has an unacceptable value."
      },
      {
        name: "BadCharacter",
        code: 2,
        description: "The device configuration contains a character that is not permitted."
      },
      {
        name: "SRInUse",
        code: 16,
        description: "The device that backs the SR is busy."
      },
      {
        name: "InvalidDev",
        code: 19,
        description: "The named device does not exist."
      },
      {
        name: "InvalidSecret",
        code: 20,
        description: "The secret object referred to by the configuration does not exist."
      },
      {
        name: "VDIInUse",
        code: 24,
        description: "The VDI is attached or otherwise busy."
      },
      {
        name: "LockErr",
        code: 37,
        description: "A lock could not be taken or released."
      },
      {
        name: "Unimplemented",
        code: 38,
        description: "The driver does not offer this operation."
      },
      {
        name: "SRNotEmpty",
        code: 39,
        description: "The SR still contains VDIs."
      },
      {
        name: "SRScan",
        code: 40,
        description: "Scanning the SR went wrong."
      },
      {
        name: "SRLog",
        code: 41,
        description: "Writing or reading the SR's operation log went wrong."
      },
      {
        name: "SRExists",
        code: 42,
        description: "An SR with this identity is already present on the storage."
      },
      {
        name: "VDIExists",
        code: 43,
        description: "A VDI with this identity is already present in the SR."
      },
      {
        name: "SRNoSpace",
        code: 44,
        description: "There is not enough free space in the SR for the operation."
      },
      {
        name: "VDIUnavailable",
        code: 46,
        description: "The VDI cannot be accessed or its data cannot be found at present."
      },
      {
        name: "SRUnavailable",
        code: 47,
        description: "The SR cannot be accessed at present."
      },
      {
        name: "SRUnknownType",
        code: 48,
        description: "No driver handles the requested SR type."
      },
      {
        name: "SRBadXML",
        code: 49,
        description: "An XML document could not be understood."
      },
      {
        name: "LVMCreate",
        code: 50,
        description: "Creating a logical volume failed."
      },
      {
        name: "LVMDelete",
        code: 51,
        description: "Removing a logical volume failed."
      },
      {
        name: "LVMMount",
        code: 52,
        description: "Activating or mounting a logical volume failed."
      },
      {
        name: "LVMUnMount",
        code: 53,
        description: "Deactivating or unmounting a logical volume failed."
      },
      {
        name: "LVMWrite",
        code: 54,
        description: "Writing to a logical volume failed."
      },
      {
        name: "LVMPartCreate",
        code: 55,
        description: "Creating the partition or physical volume for LVM failed."
      },
      {
        name: "LVMPartInUse",
        code: 56,
        description: "The partition or physical volume for LVM is already in use."
      },
      {
        name: "LVMFilesystem",
        code: 57,
        description: "Creating the filesystem on a logical volume failed."
      },
      {
        name: "LVMMaster",
        code: 58,
        description: "The LVM operation is allowed only on the SR master."
      },
      {
        name: "LVMResize",
        code: 59,
        description: "Resizing a logical volume failed."
      },
      {
        name: "LVMSize",
        code: 60,
        description: "The requested logical volume size is not acceptable."
      },
      {
        name: "FileSRCreate",
        code: 61,
        description: "Creating the file-based SR failed."
      },
      {
        name: "FileSRRmDir",
        code: 62,
        description: "The directory of the file-based SR could not be removed."
      },
      {
        name: "FileSRDelete",
        code: 63,
        description: "Deleting the file-based SR failed."
      },
      {
        name: "VDIRemove",
        code: 64,
        description: "The VDI could not be removed."
      },
      {
        name: "VDILoad",
        code: 65,
        description: "The VDI's on-disk state could not be read."
      },
      {
        name: "VDIType",
        code: 66,
        description: "The VDI's type does not allow the operation, or is not valid."
      },
      {
        name: "ISCSIDevice",
        code: 67,
        description: "The block device of the iSCSI LUN did not show up."
      },
      {
        name: "ISCSILogin",
        code: 68,
        description: "Logging in to the iSCSI target was refused or failed; initiator access rights and CHAP credentials are the usual causes."
      },
      {
        name: "ISCSILogout",
        code: 69,
        description: "Logging out of the iSCSI target failed."
      },
      {
        name: "ISCSIInitiator",
        code: 70,
        description: "The iSCSI initiator name could not be configured."
      },
      {
        name: "ISCSIDaemon",
        code: 71,
        description: "The iSCSI daemon could not be started."
      },
      {
        name: "NFSVersion",
        code: 72,
        description: "The NFS server does not offer the protocol version that was asked for."
      },
      {
        name: "NFSMount",
        code: 73,
        description: "Mounting the NFS export failed."
      },
      {
        name: "NFSUnMount",
        code: 74,
        description: "Unmounting the NFS export failed."
      },
      {
        name: "NFSAttached",
        code: 75,
        description: "Something is already mounted at the NFS mount point."
      },
      {
        name: "NFSDelete",
        code: 76,
        description: "The NFS mount point directory could not be removed."
      },
      {
        name: "LVMGroupCreate",
        code: 77,
        description: "Creating the volume group failed."
      },
      {
        name: "VDICreate",
        code: 78,
        description: "Creating the VDI failed."
      },
      {
        name: "VDISize",
        code: 79,
        description: "The VDI size is not acceptable or the size change is not possible."
      },
      {
        name: "VDIDelete",
        code: 80,
        description: "The VDI could not be flagged for deletion or deleted."
      },
      {
        name: "VDIClone",
        code: 81,
        description: "Cloning the VDI failed."
      },
      {
        name: "VDISnapshot",
        code: 82,
        description: "Taking the VDI snapshot failed."
      },
      {
        name: "ISCSIDiscovery",
        code: 83,
        description: "iSCSI target discovery failed."
      },
      {
        name: "ISCSIIQN",
        code: 84,
        description: "The IQN reported by the target is not the one configured."
      },
      {
        name: "ISCSIDetach",
        code: 85,
        description: "Detaching from the iSCSI target failed."
      },
      {
        name: "ISCSIQueryDaemon",
        code: 86,
        description: "The iSCSI daemon did not answer a query."
      },
      {
        name: "ConfigLUNMissing",
        code: 87,
        description: "The LUNid key is absent from the request."
      },
      {
        name: "NFSCreate",
        code: 88,
        description: "Creating the NFS SR failed."
      },
      {
        name: "ConfigLUNIDMissing",
        code: 89,
        description: "The LUNid key is absent from the request."
      },
      {
        name: "ConfigDeviceMissing",
        code: 90,
        description: "The device key is absent from the device configuration."
      },
      {
        name: "ConfigDeviceInvalid",
        code: 91,
        description: "The device key does not name a usable device path."
      },
      {
        name: "VolNotFound",
        code: 92,
        description: "The requested volume does not exist."
      },
      {
        name: "PVSfailed",
        code: 93,
        description: "Listing LVM physical volumes failed."
      },
      {
        name: "ConfigLocationMissing",
        code: 94,
        description: "The location key is absent from the device configuration."
      },
      {
        name: "ConfigTargetMissing",
        code: 95,
        description: "The target key is absent from the device configuration."
      },
      {
        name: "ConfigTargetIQNMissing",
        code: 96,
        description: "The target IQN key is absent or wrong."
      },
      {
        name: "ConfigISCSIIQNMissing",
        code: 97,
        description: "The host's own iSCSI IQN setting could not be read."
      },
      {
        name: "ConfigLUNSerialMissing",
        code: 98,
        description: "The LUN serial number is absent from the request."
      },
      {
        name: "LVMOneLUN",
        code: 99,
        description: "A shared LVM SR supports a single LUN only."
      },
      {
        name: "LVMNoVolume",
        code: 100,
        description: "The expected logical volume or volume group does not exist."
      },
      {
        name: "ConfigServerPathMissing",
        code: 101,
        description: "The serverpath key is absent."
      },
      {
        name: "ConfigServerMissing",
        code: 102,
        description: "The server key is absent from the device configuration."
      },
      {
        name: "ConfigServerPathBad",
        code: 103,
        description: "The serverpath value is not acceptable."
      },
      {
        name: "LVMRefCount",
        code: 104,
        description: "The reference count file could not be opened."
      },
      {
        name: "Rootdev",
        code: 105,
        description: "The device is the host's root device and must not be used for an SR."
      },
      {
        name: "InvalidIQN",
        code: 106,
        description: "The IQN is malformed."
      },
      {
        name: "ConfigSCSIid",
        code: 107,
        description: "The SCSIid key is absent or wrong."
      },
      {
        name: "NFSTarget",
        code: 108,
        description: "No NFS service could be found at the given server."
      },
      {
        name: "SnapshotChainTooLong",
        code: 109,
        description: "The VHD chain has reached its maximum depth."
      },
      {
        name: "VDIResize",
        code: 110,
        description: "Resizing the VDI failed."
      },
      {
        name: "SMBMount",
        code: 111,
        description: "Mounting the SMB share failed."
      },
      {
        name: "SMBUnMount",
        code: 112,
        description: "Unmounting the SMB share failed."
      },
      {
        name: "SMBAttached",
        code: 113,
        description: "Something is already mounted at the SMB mount point."
      },
      {
        name: "SMBDelete",
        code: 114,
        description: "The SMB mount point directory could not be removed."
      },
      {
        name: "ConfigParamsMissing",
        code: 115,
        description: "One or more mandatory parameters are absent."
      },
      {
        name: "SMBCreate",
        code: 116,
        description: "Creating the SMB SR failed."
      },
      {
        name: "LVMRead",
        code: 117,
        description: "Reading from a logical volume failed."
      },
      {
        name: "NoRootDev",
        code: 118,
        description: "The host's root device could not be determined."
      },
      {
        name: "PVMultiIDs",
        code: 119,
        description: "The physical volumes of the group report differing SCSI ids."
      },
      {
        name: "NAPPTarget",
        code: 120,
        description: "NetApp (legacy): the target key is absent from the device configuration."
      },
      {
        name: "NAPPUsername",
        code: 121,
        description: "NetApp (legacy): the user name key is absent from the device configuration."
      },
      {
        name: "NAPPPassword",
        code: 122,
        description: "NetApp (legacy): the password key is absent from the device configuration."
      },
      {
        name: "NAPPAggregate",
        code: 123,
        description: "NetApp (legacy): the aggregate key is absent from the device configuration."
      },
      {
        name: "NAPPTargetFailed",
        code: 124,
        description: "NetApp (legacy): no connection to the target could be made."
      },
      {
        name: "NAPPAuthFailed",
        code: 125,
        description: "NetApp (legacy): the credentials were rejected."
      },
      {
        name: "NAPPInsufficientPriv",
        code: 126,
        description: "NetApp (legacy): the account lacks the needed privileges."
      },
      {
        name: "NAPPFVolNum",
        code: 127,
        description: "NetApp (legacy): the filer's limit of flexible volumes is reached."
      },
      {
        name: "NAPPSnapLimit",
        code: 128,
        description: "NetApp (legacy): the volume's snapshot limit is reached."
      },
      {
        name: "NAPPSnapNoMem",
        code: 129,
        description: "NetApp (legacy): not enough space for a snapshot."
      },
      {
        name: "NAPPUnsupportedVersion",
        code: 130,
        description: "NetApp (legacy): the target's software version is not supported."
      },
      {
        name: "NAPPTargetIQN",
        code: 131,
        description: "NetApp (legacy): the target's IQN could not be read."
      },
      {
        name: "NAPPNoISCSIService",
        code: 132,
        description: "NetApp (legacy): the target does not run an iSCSI service."
      },
      {
        name: "NAPPAsisLicense",
        code: 133,
        description: "NetApp (legacy): deduplication could not be enabled because the filer has no licence for it."
      },
      {
        name: "NAPPAsisError",
        code: 134,
        description: "NetApp (legacy): the filer does not allow deduplication on this aggregate, for example because it is larger than the model permits."
      },
      {
        name: "NAPPExclActivate",
        code: 135,
        description: "NetApp (legacy): the LUN could not be locked exclusively."
      },
      {
        name: "DNSError",
        code: 140,
        description: "The host name could not be resolved."
      },
      {
        name: "ISCSITarget",
        code: 141,
        description: "The iSCSI service of the target could not be reached."
      },
      {
        name: "ISCSIPort",
        code: 142,
        description: "The iSCSI port is not a number from 1 to 65535."
      },
      {
        name: "BadRequest",
        code: 143,
        description: "The request could not be parsed or names an unknown command."
      },
      {
        name: "VDIMissing",
        code: 144,
        description: "The VDI does not exist on the storage."
      },
      {
        name: "APISession",
        code: 150,
        description: "A session with the local XenAPI server could not be opened."
      },
      {
        name: "APILocalhost",
        code: 151,
        description: "The local control domain or host object could not be identified through the XenAPI."
      },
      {
        name: "APIPBDQuery",
        code: 152,
        description: "Looking up PBD records through the XenAPI failed."
      },
      {
        name: "APIFailure",
        code: 153,
        description: "A XenAPI call on an object failed."
      },
      {
        name: "APIProtocolError",
        code: 154,
        description: "The XenAPI server answered with a transport-level (HTTP) error."
      },
      {
        name: "EQLTarget",
        code: 160,
        description: "EqualLogic (legacy): the target key is absent from the device configuration."
      },
      {
        name: "EQLUsername",
        code: 161,
        description: "EqualLogic (legacy): the user name key is absent from the device configuration."
      },
      {
        name: "EQLPassword",
        code: 162,
        description: "EqualLogic (legacy): the password key is absent from the device configuration."
      },
      {
        name: "EQLStoragePool",
        code: 163,
        description: "EqualLogic (legacy): the storage pool key is absent from the device configuration."
      },
      {
        name: "EQLConnectfail",
        code: 164,
        description: "EqualLogic (legacy): no further command session to the array could be opened."
      },
      {
        name: "EQLInvalidSnapReserve",
        code: 165,
        description: "EqualLogic (legacy): the snapshot reserve percentage is not a valid integer."
      },
      {
        name: "EQLInvalidSnapDepletionKey",
        code: 166,
        description: "EqualLogic (legacy): the snapshot depletion policy is neither of the two accepted values."
      },
      {
        name: "EQLVolOutofSpace",
        code: 167,
        description: "EqualLogic (legacy): the volume has no space left, probably for lack of snapshot reserve."
      },
      {
        name: "EQLSnapshotOfSnapshot",
        code: 168,
        description: "EqualLogic (legacy): snapshots of snapshots are not possible."
      },
      {
        name: "EQLPermDenied",
        code: 169,
        description: "EqualLogic (legacy): the credentials were rejected."
      },
      {
        name: "EQLUnsupportedVersion",
        code: 170,
        description: "EqualLogic (legacy): the array's software version is not supported."
      },
      {
        name: "EQLTargetPort",
        code: 171,
        description: "EqualLogic (legacy): logging in to the array failed; its addresses may be wrong."
      },
      {
        name: "EQLInvalidStoragePool",
        code: 172,
        description: "EqualLogic (legacy): the named storage pool is not valid."
      },
      {
        name: "EQLInvalidTargetIP",
        code: 173,
        description: "EqualLogic (legacy): the target is not a valid group address."
      },
      {
        name: "EQLInvalidSNMPResp",
        code: 174,
        description: "EqualLogic (legacy): the array's command line gave an unexpected answer."
      },
      {
        name: "EQLInvalidVolMetaData",
        code: 175,
        description: "EqualLogic (legacy): the metadata kept in a volume's description field is damaged."
      },
      {
        name: "EQLInvalidEOFRecv",
        code: 176,
        description: "EqualLogic (legacy): the array's command line ended the answer unexpectedly."
      },
      {
        name: "LVMProvisionAttach",
        code: 180,
        description: "The volume group has no room to grow a thinly provisioned volume to the VDI's full size."
      },
      {
        name: "MetadataError",
        code: 181,
        description: "Working on the SR's metadata volume failed."
      },
      {
        name: "ISCSIDelete",
        code: 182,
        description: "Deleting the iSCSI record failed."
      },
      {
        name: "EIO",
        code: 200,
        description: "An input/output error occurred."
      },
      {
        name: "EGAIN",
        code: 201,
        description: "The resource is temporarily busy; the caller may try again."
      },
      {
        name: "SMGeneral",
        code: 202,
        description: "Catch-all code for backend failures without a specific code."
      },
      {
        name: "FistPoint",
        code: 203,
        description: "An enabled fault-injection point ended the process deliberately."
      },
      {
        name: "LeafGCSkip",
        code: 204,
        description: "Leaf coalescing was given up because the leaf kept growing."
      },
      {
        name: "VBDListNotStable",
        code: 205,
        description: "The set of VBDs changed while it was being examined."
      },
      {
        name: "ISODconfMissingLocation",
        code: 220,
        description: "ISO SR: the location key is absent from the device configuration."
      },
      {
        name: "ISOMustHaveISOExtension",
        code: 221,
        description: "ISO SR: the file name must end in .iso."
      },
      {
        name: "ISOMountFailure",
        code: 222,
        description: "ISO SR: the configured directory could not be mounted."
      },
      {
        name: "ISOUnmountFailure",
        code: 223,
        description: "ISO SR: the configured directory could not be unmounted."
      },
      {
        name: "ISOSharenameFailure",
        code: 224,
        description: "ISO SR: the share does not exist on the server or may not be read."
      },
      {
        name: "ISOLocationStringError",
        code: 225,
        description: "ISO SR: the location does not have the form SERVER:PATH (NFS) or \\\\SERVER\\PATH (SMB)."
      },
      {
        name: "ISOLocalPath",
        code: 226,
        description: "ISO SR: the local path is not valid."
      },
      {
        name: "ISOInvalidSMBversion",
        code: 227,
        description: "ISO SR: the SMB version must be 1.0 or 3.0."
      },
      {
        name: "ISOInvalidXeMountOptions",
        code: 228,
        description: "ISO SR: the mount script needs its options introduced by -o."
      },
      {
        name: "XMLParse",
        code: 413,
        description: "An XML document could not be parsed."
      },
      {
        name: "MultipathdCommsFailure",
        code: 430,
        description: "The multipath daemon could not be reached."
      },
      {
        name: "MultipathGenericFailure",
        code: 431,
        description: "A multipath operation failed."
      },
      {
        name: "MultipathMapperPathMissing",
        code: 432,
        description: "The device-mapper path does not exist."
      },
      {
        name: "MultipathDeviceNotAppeared",
        code: 433,
        description: "The device-mapper path has not shown up yet."
      },
      {
        name: "MultipathDeviceNoScsiid",
        code: 434,
        description: "A device-mapper path was requested without a SCSI id."
      },
      {
        name: "TapdiskAlreadyRunning",
        code: 445,
        description: "A tapdisk process already serves this image."
      },
      {
        name: "CIFSExtendedCharsNotSupported",
        code: 446,
        description: "SMB paths, names and passwords must not contain extended characters."
      },
      {
        name: "IllegalXMLChar",
        code: 447,
        description: "A name or description contains a character that XML 1.0 cannot represent."
      },
      {
        name: "UnsupportedKernel",
        code: 448,
        description: "The running kernel version is not supported."
      },
      {
        name: "OCFSOneLUN",
        code: 449,
        description: "OCFS (legacy): a shared SR supports a single LUN only."
      },
      {
        name: "OCFSMount",
        code: 450,
        description: "OCFS (legacy): mounting failed."
      },
      {
        name: "OCFSUnMount",
        code: 451,
        description: "OCFS (legacy): unmounting failed."
      },
      {
        name: "OCFSFilesystem",
        code: 452,
        description: "OCFS (legacy): creating the filesystem failed."
      },
      {
        name: "TapdiskFailed",
        code: 453,
        description: "tapdisk reported an error."
      },
      {
        name: "NoSMBLicense",
        code: 454,
        description: "The host's licence does not include SMB SRs."
      },
      {
        name: "VGReg",
        code: 455,
        description: "Registering the volume group failed."
      },
      {
        name: "TapdiskDriveEmpty",
        code: 456,
        description: "The optical drive has no medium and cannot be attached."
      },
      {
        name: "CBTActivateFailed",
        code: 457,
        description: "Changed block tracking could not be switched on."
      },
      {
        name: "CBTDeactivateFailed",
        code: 458,
        description: "Changed block tracking could not be switched off."
      },
      {
        name: "CBTMetadataInconsistent",
        code: 459,
        description: "The changed block tracking log contradicts itself or is incomplete."
      },
      {
        name: "CBTChangedBlocksError",
        code: 460,
        description: "The changed blocks between the two VDIs could not be computed."
      },
      {
        name: "SharedFileSystemNoWrite",
        code: 461,
        description: "The shared filesystem of the SR refuses writes."
      },
      {
        name: "GenericException",
        code: 1200,
        description: "An unexpected internal exception escaped from the driver."
      }
    ];
  }
});

// lib/smapi/SmError.ts
var byName, SmError;
var init_SmError = __esm({
  "lib/smapi/SmError.ts"() {
    "use strict";
    init_sm_errors();
    byName = new Map(sm_errors_default.map((entry) => [entry.name, entry]));
    SmError = class extends Error {
      errorName;
      code;
      detail;
      constructor(errorName, detail, options) {
        const entry = byName.get(errorName);
        if (entry === void 0) throw new TypeError(`unknown SM error name ${errorName}`);
        super(detail === void 0 ? entry.description : `${entry.description} [opterr=${detail}]`, options);
        this.name = "SmError";
        this.errorName = errorName;
        this.code = entry.code;
        this.detail = detail;
      }
    };
  }
});

// lib/os/posix-lock.ts
import { constants as constants7 } from "node:os";
import { getSystemErrorName as getSystemErrorName3 } from "node:util";
async function tryLockFile(fd) {
  const { fcntl } = await loadLibc();
  const errno = fcntl(fd, F_OFD_SETLK, wholeFile(F_WRLCK));
  if (errno === constants7.errno.EAGAIN || errno === constants7.errno.EACCES) return false;
  throwIfFailed(errno);
  return true;
}
async function unlockFile(fd) {
  const { fcntl } = await loadLibc();
  throwIfFailed(fcntl(fd, F_OFD_SETLK, wholeFile(F_UNLCK)));
}
function wholeFile(type) {
  const flock = Buffer.alloc(32);
  flock.writeInt16LE(type, 0);
  return flock;
}
function throwIfFailed(errno) {
  if (errno !== 0) throw errnoError(getSystemErrorName3(-errno), "locking a file");
}
var F_OFD_SETLK, F_WRLCK, F_UNLCK;
var init_posix_lock = __esm({
  "lib/os/posix-lock.ts"() {
    "use strict";
    init_effects();
    init_libc();
    F_OFD_SETLK = 37;
    F_WRLCK = 1;
    F_UNLCK = 2;
  }
});

// lib/lock/lock-file.ts
import { constants as constants8 } from "node:fs";
import * as fs4 from "node:fs/promises";
import path5 from "node:path";
function lockPath(base, namespace, name) {
  for (const part of namespace === "" ? [name] : [namespace, name]) {
    if (!/^(?!\.{1,2}$)[^/\p{Cc}]+$/u.test(part))
      throw new SmError("LockErr", `${JSON.stringify(part)} is no lock name`);
  }
  return path5.join(base, namespace, name);
}
async function lockFile(filePath) {
  for (let opens = 0; opens < MAX_OPENS; opens += 1) {
    const handle = await openLockFile(filePath);
    if (handle === void 0) continue;
    const outcome = await lockHandle(handle, filePath).catch(async (error) => {
      await handle.close();
      throw error;
    });
    if (outcome === "locked") return { unlock: () => unlock(handle) };
    await handle.close();
    if (outcome === "busy") return void 0;
  }
  throw new SmError("LockErr", `${filePath} keeps being removed`);
}
async function openLockFile(filePath) {
  try {
    await fs4.mkdir(path5.dirname(filePath), { recursive: true });
    return await fs4.open(filePath, constants8.O_RDWR | constants8.O_CREAT, 420);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return void 0;
    throw error;
  }
}
async function lockHandle(handle, filePath) {
  if (!await tryLockFile(handle.fd)) return "busy";
  const [opened, named2] = await Promise.all([handle.stat({ bigint: true }), statIfPresent(filePath)]);
  return named2 !== void 0 && opened.ino === named2.ino && opened.dev === named2.dev ? "locked" : "removed";
}
async function statIfPresent(filePath) {
  try {
    return await fs4.stat(filePath, { bigint: true });
  } catch (error) {
    if (isErrno(error, "ENOENT")) return void 0;
    throw error;
  }
}
async function unlock(handle) {
  try {
    await unlockFile(handle.fd);
  } finally {
    await handle.close();
  }
}
async function removeLockDirectory(directory) {
  const names = await unlessGone(fs4.readdir(directory));
  for (const name of names ?? []) await unlessGone(fs4.unlink(path5.join(directory, name)));
  if (names !== void 0) await unlessGone(fs4.rmdir(directory));
}
async function unlessGone(outcome) {
  try {
    return await outcome;
  } catch (error) {
    if (isErrno(error, "ENOENT") || isErrno(error, "ENOTEMPTY")) return void 0;
    throw error;
  }
}
var MAX_OPENS;
var init_lock_file = __esm({
  "lib/lock/lock-file.ts"() {
    "use strict";
    init_files();
    init_posix_lock();
    init_SmError();
    MAX_OPENS = 10;
  }
});

// lib/lock/Lock.ts
var Lock_exports = {};
__export(Lock_exports, {
  LockManager: () => LockManager
});
import { setTimeout as sleep } from "node:timers/promises";
async function pause(milliseconds, signal) {
  try {
    await sleep(milliseconds, void 0, signal === void 0 ? {} : { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}
var FIRST_DELAY_MS, LONGEST_DELAY_MS, LockManager;
var init_Lock = __esm({
  "lib/lock/Lock.ts"() {
    "use strict";
    init_SmError();
    init_lock_file();
    FIRST_DELAY_MS = 1;
    LONGEST_DELAY_MS = 50;
    LockManager = class {
      #base;
      #effects;
      #held = /* @__PURE__ */ new Map();
      constructor(paths, effects) {
        this.#base = paths.lockBase;
        this.#effects = effects;
      }
      /**
       * Waits for the lock and takes it. With an empty namespace the file is directly in the base directory.
       * Throws SmError LockErr (37) when the time is over or the name cannot be one, errno errors of the file system,
       * and the reason of the abort signal.
       */
      async lock(namespace, name, options = {}) {
        const path14 = lockPath(this.#base, namespace, name);
        const deadline = options.timeoutMs === void 0 ? Infinity : performance.now() + options.timeoutMs;
        this.#effects.before("lock", `lock ${path14}`);
        for (let delay = FIRST_DELAY_MS; ; delay = Math.min(delay * 2, LONGEST_DELAY_MS)) {
          options.signal?.throwIfAborted();
          const lock = await this.#attempt(path14);
          if (lock !== void 0) return lock;
          const left = deadline - performance.now();
          if (left <= 0) throw new SmError("LockErr", `${path14} is still locked after ${String(options.timeoutMs)} ms`);
          await pause(Math.min(left, delay * (0.5 + Math.random())), options.signal);
        }
      }
      /** Takes the lock if nobody else has it. Throws as `lock` does. */
      async tryLock(namespace, name) {
        const path14 = lockPath(this.#base, namespace, name);
        this.#effects.before("lock", `trylock ${path14}`);
        return this.#attempt(path14);
      }
      /** Removes the lock files of an object that is gone, and their directory. Locks held there stay held. */
      async removeNamespace(namespace) {
        const directory = lockPath(this.#base, "", namespace);
        this.#effects.before("lock", `remove ${directory}`);
        await removeLockDirectory(directory);
      }
      /** Releases whatever is still held, last taken first. */
      async releaseAll() {
        for (const held of [...this.#held.values()].reverse()) await this.#unlock(held);
      }
      async #attempt(path14) {
        const file = this.#held.has(path14) ? void 0 : await lockFile(path14);
        const before = this.#held.get(path14);
        if (before !== void 0) {
          await file?.unlock();
          before.count += 1;
          return this.#handle(before);
        }
        if (file === void 0) return void 0;
        const held = { path: path14, file, count: 1 };
        this.#held.set(path14, held);
        return this.#handle(held);
      }
      #handle(held) {
        let released = false;
        return {
          release: async () => {
            if (released) return;
            released = true;
            held.count -= 1;
            if (held.count === 0) await this.#unlock(held);
          }
        };
      }
      async #unlock(held) {
        if (this.#held.get(held.path) !== held) return;
        this.#effects.before("lock", `unlock ${held.path}`);
        this.#held.delete(held.path);
        await held.file.unlock();
      }
    };
  }
});

// lib/vhd/VhdUtil.ts
var VhdError;
var init_VhdUtil = __esm({
  "lib/vhd/VhdUtil.ts"() {
    "use strict";
    VhdError = class extends Error {
      code;
      errno;
      constructor(code, errno, message2, options) {
        super(message2, options);
        this.name = "VhdError";
        this.code = code;
        this.errno = errno;
      }
    };
  }
});

// lib/vhd/errors.ts
import { constants as constants9 } from "node:os";
function vhdError(code, message2, cause) {
  return new VhdError(code, errnoNumber(code), message2, cause === void 0 ? void 0 : { cause });
}
async function asVhdError(what, body) {
  try {
    return await body();
  } catch (error) {
    throw toVhdError(error, what);
  }
}
function toVhdError(error, what) {
  if (error instanceof VhdError || !(error instanceof Error)) return error;
  const code = "code" in error ? error.code : void 0;
  if (typeof code !== "string" || !(code in constants9.errno)) return error;
  return vhdError(code, `${what}: ${error.message}`, error);
}
function errnoNumber(code) {
  const numbers = constants9.errno;
  return numbers[code] ?? constants9.errno.EIO;
}
var init_errors = __esm({
  "lib/vhd/errors.ts"() {
    "use strict";
    init_VhdUtil();
  }
});

// lib/lvm/names.ts
function parseMapperName(name) {
  const [, group, volume] = /^((?:[^-]|--)+)-((?:[^-]|--)+)$/.exec(name) ?? [];
  if (group === void 0 || volume === void 0) return void 0;
  return { group: group.replaceAll("--", "-"), volume: volume.replaceAll("--", "-") };
}
var init_names = __esm({
  "lib/lvm/names.ts"() {
    "use strict";
    init_SmError();
  }
});

// lib/vhd/layout.ts
import { DEFAULT_BLOCK_SIZE, FOOTER_SIZE, HEADER_SIZE, SECTOR_SIZE } from "vhd-lib/_constants.js";
import { BLOCK_UNUSED, DISK_TYPES } from "vhd-lib/_constants.js";
function padToSector(bytes) {
  return Math.max(SECTOR_SIZE, Math.ceil(bytes / SECTOR_SIZE) * SECTOR_SIZE);
}
function tableBytes(entries) {
  return padToSector(entries * 4);
}
function batmapCoverage(virtualSize) {
  return padToSector(Math.floor(virtualSize / BATMAP_UNIT));
}
function bitmapBytes(blockSize) {
  return padToSector(blockSize / SECTOR_SIZE / 8);
}
function nextBlockSector(endOfData, blockSize) {
  const bitmapSectors = bitmapBytes(blockSize) / SECTOR_SIZE;
  const first = Math.ceil(endOfData / SECTOR_SIZE);
  return Math.ceil((first + bitmapSectors) / 8) * 8 - bitmapSectors;
}
var TABLE_OFFSET, MAX_TABLE_ENTRIES, MAX_VIRTUAL_SIZE, MAX_CHAIN_LENGTH, BATMAP_UNIT;
var init_layout = __esm({
  "lib/vhd/layout.ts"() {
    "use strict";
    TABLE_OFFSET = FOOTER_SIZE + HEADER_SIZE;
    MAX_TABLE_ENTRIES = 4 * 1024 * 1024;
    MAX_VIRTUAL_SIZE = 4 * 1024 ** 4;
    MAX_CHAIN_LENGTH = 64;
    BATMAP_UNIT = 16 * 1024 * 1024;
  }
});

// lib/vhd/locator.ts
import { PLATFORMS } from "vhd-lib/_constants.js";
function decodeLocatorText(code, bytes) {
  const text3 = decode(code, bytes);
  return text3 === void 0 || text3 === "" || text3.includes("\0") ? void 0 : text3;
}
function isDecodable(code) {
  return WRITTEN_CODES.includes(code);
}
function decode(code, bytes) {
  if (code === PLATFORMS.MACX) {
    const text4 = bytes.toString("utf8");
    return text4.startsWith(MACX_PREFIX) ? text4.slice(MACX_PREFIX.length) : void 0;
  }
  if (!isDecodable(code)) return void 0;
  const text3 = bytes.subarray(0, bytes.length - bytes.length % 2).toString("utf16le");
  return text3.replace(/^[Cc]:/, "").replaceAll("\\", "/");
}
var MAX_LOCATOR_LENGTH, MACX_PREFIX, WRITTEN_CODES;
var init_locator = __esm({
  "lib/vhd/locator.ts"() {
    "use strict";
    init_errors();
    init_layout();
    MAX_LOCATOR_LENGTH = 2048;
    MACX_PREFIX = "file://";
    WRITTEN_CODES = [PLATFORMS.MACX, PLATFORMS.W2KU, PLATFORMS.W2RU];
  }
});

// lib/vhd/uuid.ts
function bytesToUuid(bytes) {
  const hex = Buffer.from(bytes).toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join("-");
}
var ZERO_UUID;
var init_uuid = __esm({
  "lib/vhd/uuid.ts"() {
    "use strict";
    ZERO_UUID = "00000000-0000-0000-0000-000000000000";
  }
});

// lib/vhd/fields.ts
function uint32(bytes, offset) {
  return bytes.readUInt32BE(offset);
}
function uint64(bytes, offset) {
  return bytes.readUInt32BE(offset) * 2 ** 32 + bytes.readUInt32BE(offset + 4);
}
function optionalOffset(bytes, offset) {
  const none = uint32(bytes, offset) === 4294967295 && uint32(bytes, offset + 4) === 4294967295;
  return none ? void 0 : uint64(bytes, offset);
}
function hasChecksumAt(bytes, offset) {
  return complementOfSum(bytes.subarray(0, offset), bytes.subarray(offset + 4)) === uint32(bytes, offset);
}
function complementOfSum(...parts) {
  let sum = 0;
  for (const part of parts) for (let at = 0; at < part.length; at += 1) sum += part[at] ?? 0;
  return ~sum >>> 0;
}
var init_fields = __esm({
  "lib/vhd/fields.ts"() {
    "use strict";
  }
});

// lib/vhd/Batmap.ts
function decodeBatmapHeader(raw) {
  if (raw.length < SECTOR_SIZE || raw.toString("latin1", 0, 8) !== COOKIE) return void 0;
  return {
    raw,
    offset: Number(raw.readBigUInt64BE(OFFSETS.offset)),
    reserved: raw.readUInt32BE(OFFSETS.sectors) * SECTOR_SIZE,
    version: raw.readUInt32BE(OFFSETS.version),
    checksum: raw.readUInt32BE(OFFSETS.checksum),
    marker: raw.readUInt8(OFFSETS.marker)
  };
}
async function readBatmap(storage, headerOffset, virtualSize) {
  const header = await readBatmapHeader(storage, headerOffset);
  const coverage = batmapCoverage(virtualSize);
  if (header.offset < headerOffset + SECTOR_SIZE) throw vhdError("EINVAL", `${storage.path}: batmap in its header`);
  if (header.reserved < coverage) throw vhdError("EINVAL", `${storage.path}: batmap too small`);
  return new Batmap(header, await storage.read(header.offset, coverage));
}
async function readBatmapHeader(storage, headerOffset) {
  const header = decodeBatmapHeader(await storage.read(headerOffset, SECTOR_SIZE));
  if (header === void 0) throw vhdError("EINVAL", `${storage.path}: no batmap header`);
  return header;
}
var COOKIE, OFFSETS, Batmap;
var init_Batmap = __esm({
  "lib/vhd/Batmap.ts"() {
    "use strict";
    init_errors();
    init_fields();
    init_layout();
    COOKIE = "tdbatmap";
    OFFSETS = { offset: 8, sectors: 16, version: 20, checksum: 24, marker: 28, key: 29 };
    Batmap = class {
      header;
      bits;
      constructor(header, bits) {
        this.header = header;
        this.bits = bits;
      }
      isFull(block) {
        const byte = this.bits[block >> 3] ?? 0;
        return (byte & 128 >> (block & 7)) !== 0;
      }
      /** Records a block as full; blocks past the covered part are never recorded. Says whether anything changed. */
      setFull(block) {
        if (block >> 3 >= this.bits.length || this.isFull(block)) return false;
        this.bits.writeUInt8(this.bits.readUInt8(block >> 3) | 128 >> (block & 7), block >> 3);
        return true;
      }
      get hasGoodChecksum() {
        return complementOfSum(this.bits) === this.header.checksum;
      }
      /** The header with the checksum of the bits as they are now. */
      headerBytes() {
        const raw = Buffer.from(this.header.raw);
        raw.writeUInt32BE(complementOfSum(this.bits), OFFSETS.checksum);
        return raw;
      }
    };
  }
});

// lib/vhd/BlockTable.ts
async function readTable(storage, offset, count2) {
  return new BlockTable(await storage.read(offset, padToSector(count2 * 4)), count2);
}
var ENTRIES_PER_SECTOR, UNUSED_RUN, BlockTable;
var init_BlockTable = __esm({
  "lib/vhd/BlockTable.ts"() {
    "use strict";
    init_layout();
    ENTRIES_PER_SECTOR = SECTOR_SIZE / 4;
    UNUSED_RUN = Buffer.alloc(16 * 1024, 255);
    BlockTable = class {
      /** Number of blocks in use by the virtual size; the table on disk may be longer. */
      count;
      #bytes;
      constructor(bytes, count2) {
        this.#bytes = bytes;
        this.count = count2;
      }
      /** Bytes as on disk: whole sectors. */
      get bytes() {
        return this.#bytes;
      }
      /** Sector of the block's bitmap, undefined where the block is not allocated here. */
      get(block) {
        const sector = this.#bytes.readUInt32BE(block * 4);
        return sector === BLOCK_UNUSED ? void 0 : sector;
      }
      set(block, sector) {
        this.#bytes.writeUInt32BE(sector, block * 4);
      }
      *allocated() {
        for (let block = 0; block < this.count; block++) {
          if (this.#startsUnusedRun(block)) {
            block += UNUSED_RUN.length / 4 - 1;
            continue;
          }
          const sector = this.get(block);
          if (sector !== void 0) yield { block, sector };
        }
      }
      allocatedCount() {
        const entries = this.allocated();
        let found2 = 0;
        while (entries.next().done !== true) found2 += 1;
        return found2;
      }
      get isEmpty() {
        return this.allocated().next().done === true;
      }
      #startsUnusedRun(block) {
        const start3 = block * 4;
        if (start3 % UNUSED_RUN.length !== 0 || start3 + UNUSED_RUN.length > this.count * 4) return false;
        return this.#bytes.compare(UNUSED_RUN, 0, UNUSED_RUN.length, start3, start3 + UNUSED_RUN.length) === 0;
      }
      /** The sector of the table that holds a block's entry: its index and bytes. */
      sectorOf(block) {
        const offset = Math.floor(block / ENTRIES_PER_SECTOR) * SECTOR_SIZE;
        return { offset, bytes: this.#bytes.subarray(offset, offset + SECTOR_SIZE) };
      }
    };
  }
});

// lib/vhd/geometry.ts
var MAX_SECTORS, LARGE_DISK;
var init_geometry = __esm({
  "lib/vhd/geometry.ts"() {
    "use strict";
    init_layout();
    MAX_SECTORS = 65535 * 16 * 255;
    LARGE_DISK = 65535 * 16 * 63;
  }
});

// lib/vhd/footer.ts
import { FILE_FORMAT_VERSION } from "vhd-lib/_constants.js";
import { checksumStruct, fuFooter, packField } from "vhd-lib/_structs.js";
function decodeFooter(bytes) {
  if (bytes.length !== FOOTER_SIZE || !hasFooterCookie(bytes) || !hasGoodChecksum(bytes)) return void 0;
  const type = uint32(bytes, AT.type);
  const dynamic = type === DISK_TYPES.DYNAMIC || type === DISK_TYPES.DIFFERENCING;
  const creatorVersion = uint32(bytes, AT.creatorVersion);
  const byTap = bytes.toString("latin1", AT.creator, AT.creator + 3) === "tap";
  return {
    raw: Buffer.from(bytes),
    poisoned: cookieOf(bytes) === POISON_COOKIE,
    type,
    dataOffset: optionalOffset(bytes, AT.data),
    originalSize: uint64(bytes, AT.originalSize),
    currentSize: uint64(bytes, AT.currentSize),
    geometry: {
      cylinders: bytes.readUInt16BE(AT.geometry),
      heads: bytes.readUInt8(AT.geometry + 2),
      sectorsPerTrackCylinder: bytes.readUInt8(AT.geometry + 3)
    },
    uuid: bytesToUuid(bytes.subarray(AT.uuid, AT.uuid + 16)),
    hidden: bytes.readUInt8(AT.hidden),
    timestamp: uint32(bytes, AT.timestamp),
    creatorVersion,
    hasBatmap: dynamic && byTap && creatorVersion >= BATMAP_SINCE_VERSION
  };
}
function hasGoodChecksum(bytes) {
  return hasChecksumAt(bytes, AT.checksum);
}
function hasFooterCookie(bytes) {
  const cookie = cookieOf(bytes);
  return cookie === FOOTER_COOKIE || cookie === POISON_COOKIE;
}
function cookieOf(bytes) {
  return bytes.toString("latin1", AT.cookie, AT.cookie + 8);
}
var FOOTER_COOKIE, POISON_COOKIE, BATMAP_SINCE_VERSION, AT;
var init_footer = __esm({
  "lib/vhd/footer.ts"() {
    "use strict";
    init_fields();
    init_geometry();
    init_layout();
    init_uuid();
    FOOTER_COOKIE = "conectix";
    POISON_COOKIE = "v_poison";
    BATMAP_SINCE_VERSION = 65538;
    AT = {
      cookie: 0,
      data: 16,
      timestamp: 24,
      creator: 28,
      creatorVersion: 32,
      originalSize: 40,
      currentSize: 48,
      geometry: 56,
      type: 60,
      checksum: 64,
      uuid: 68,
      hidden: 85
    };
  }
});

// lib/vhd/header.ts
import { HEADER_COOKIE, HEADER_VERSION, PARENT_LOCATOR_ENTRIES, PLATFORMS as PLATFORMS2 } from "vhd-lib/_constants.js";
import { checksumStruct as checksumStruct2, fuHeader, packField as packField2 } from "vhd-lib/_structs.js";
function decodeHeader(bytes) {
  const tableOffset = uint64(bytes, AT2.table);
  const maxEntries = uint32(bytes, AT2.entries);
  const blockSize = uint32(bytes, AT2.blockSize);
  if (bytes.toString("latin1", 0, 8) !== HEADER_COOKIE) return "invalid cookie";
  if (!hasChecksumAt(bytes, AT2.checksum)) return "invalid checksum";
  if (optionalOffset(bytes, AT2.data) !== void 0) return "invalid data offset";
  if (uint32(bytes, AT2.version) !== HEADER_VERSION) return "unsupported header version";
  if (!isBlockSize(blockSize)) return "invalid block size";
  if (maxEntries > MAX_TABLE_ENTRIES) return "table too large";
  if (tableOffset % SECTOR_SIZE !== 0 || tableOffset < TABLE_OFFSET) return "invalid table offset";
  const locators = Array.from({ length: PARENT_LOCATOR_ENTRIES }, (_, index) => readLocatorEntry(bytes, index));
  if (locators.some(({ code }) => !KNOWN_CODES.has(code))) return "invalid parent locator";
  return {
    raw: Buffer.from(bytes),
    tableOffset,
    maxEntries,
    blockSize,
    parentUuid: bytesToUuid(bytes.subarray(AT2.parentUuid, AT2.parentUuid + 16)),
    parentTimestamp: uint32(bytes, AT2.parentTimestamp),
    parentName: readParentName(bytes),
    locators: locators.filter(({ code }) => code !== PLATFORMS2.NONE)
  };
}
function batmapHeaderOffset(header) {
  return header.tableOffset + tableBytes(header.maxEntries);
}
function readLocatorEntry(bytes, index) {
  const start3 = LOCATORS.offset + index * LOCATORS.size;
  return {
    index,
    code: uint32(bytes, start3),
    space: locatorSpace(uint32(bytes, start3 + 4)),
    length: uint32(bytes, start3 + 8),
    offset: uint64(bytes, start3 + 16)
  };
}
function readParentName(bytes) {
  const field = Buffer.from(bytes.subarray(PARENT_NAME.offset, PARENT_NAME.offset + PARENT_NAME.size)).swap16();
  const name = field.toString("utf16le");
  const end3 = name.indexOf("\0");
  return end3 < 0 ? name : name.slice(0, end3);
}
function locatorSpace(value) {
  if (value < SECTOR_SIZE) return value * SECTOR_SIZE;
  return value % SECTOR_SIZE === 0 ? value : 0;
}
function isBlockSize(value) {
  return value >= SECTOR_SIZE && value <= DEFAULT_BLOCK_SIZE && (value & value - 1) === 0;
}
var AT2, KNOWN_CODES, PARENT_NAME, LOCATORS;
var init_header = __esm({
  "lib/vhd/header.ts"() {
    "use strict";
    init_fields();
    init_layout();
    init_uuid();
    AT2 = {
      data: 8,
      table: 16,
      version: 24,
      entries: 28,
      blockSize: 32,
      checksum: 36,
      parentUuid: 40,
      parentTimestamp: 56
    };
    KNOWN_CODES = new Set(Object.values(PLATFORMS2));
    PARENT_NAME = { offset: 64, size: 512 };
    LOCATORS = { offset: 576, size: 24 };
  }
});

// lib/vhd/Storage.ts
async function openStorage(files, path14, write2) {
  const stats = await files.identity(path14);
  if (stats.isDirectory()) throw vhdError("EISDIR", `${path14} is a directory`);
  if (!stats.isFile() && !stats.isBlockDevice()) {
    throw vhdError("EINVAL", `${path14} is not a regular file or block device`);
  }
  const file = write2 ? await files.openWrite(path14) : await files.openRead(path14);
  try {
    const size = stats.isBlockDevice() ? await deviceSize(files, stats) : Number(stats.size);
    return new Storage(file, size, stats.isBlockDevice());
  } catch (error) {
    await file.close();
    throw error;
  }
}
async function openRegularStorage(files, path14, immediate) {
  const file = await files.openRegular(path14, immediate);
  return new Storage(file, (await file.stat()).size, false);
}
async function deviceSize(files, { rdev }) {
  const major = rdev >> 8n & 0xfffn | rdev >> 32n & 0xfffff000n;
  const minor = rdev & 0xffn | rdev >> 12n & 0xffffff00n;
  return Number(await files.readText(`/sys/dev/block/${major}:${minor}/size`)) * SECTOR_SIZE;
}
var CHUNK, MIN_KERNEL_COPY, Storage;
var init_Storage = __esm({
  "lib/vhd/Storage.ts"() {
    "use strict";
    init_errors();
    init_layout();
    CHUNK = 1024 * 1024;
    MIN_KERNEL_COPY = 32 * 1024;
    Storage = class {
      file;
      isDevice;
      #size;
      #head = Buffer.alloc(0);
      /** Set once copying inside the kernel turned out not to work into this file. */
      #copiesByHand = false;
      constructor(file, size, isDevice) {
        this.file = file;
        this.#size = size;
        this.isDevice = isDevice;
      }
      get path() {
        return this.file.path;
      }
      get size() {
        return this.#size;
      }
      /** Fetches the first bytes in one read, so that the next reads among them need none. */
      async prefetch(length) {
        this.#head = await this.file.read(0, Math.min(length, this.#size));
      }
      /** Reads exactly `length` bytes. Throws EIO where the file ends before (spec vhd 3). */
      async read(position, length) {
        if (position + length > this.#size) {
          throw vhdError("EIO", `${this.path} ends before ${position + length}`);
        }
        if (position + length <= this.#head.length) {
          return Buffer.from(this.#head.subarray(position, position + length));
        }
        const bytes = await this.file.read(position, length);
        if (bytes.length < length) throw vhdError("EIO", `short read of ${this.path} at ${position}`);
        return bytes;
      }
      /** Fills all of `target`. Throws EIO where the file ends before. */
      async readInto(target, position) {
        const end3 = position + target.length;
        if (end3 > this.#size) throw vhdError("EIO", `${this.path} ends before ${end3}`);
        const filled = await this.file.readInto(target, position);
        if (filled < target.length) throw vhdError("EIO", `short read of ${this.path} at ${position}`);
      }
      /** Writes all of `bytes`. Throws ENOSPC past the end of a device. */
      async write(bytes, position) {
        const end3 = this.#beforeChange(position, bytes.length);
        await this.file.write(bytes, position);
        this.#size = Math.max(this.#size, end3);
      }
      /** Copies a part of another image to here. Throws EIO where the source ends before, ENOSPC past the end of a device. */
      async copyFrom(source, range2) {
        const end3 = this.#beforeChange(range2.to, range2.length);
        if (range2.from + range2.length > source.size) throw vhdError("EIO", `${source.path} ends before the block's end`);
        if (!await this.#copyInKernel(source, range2)) await this.#copyByHand(source, range2);
        this.#size = Math.max(this.#size, end3);
      }
      /** Makes whole sectors read as zeroes, as a hole where the file system can. Throws ENOSPC past the end of a device. */
      async makeZero(position, length) {
        const end3 = this.#beforeChange(position, length);
        const inside = Math.min(length, this.#size - position);
        if (inside > 0 && !await this.punchHole(position, inside)) await this.writeZeroes(position, inside);
        if (end3 > this.#size) await this.write(Buffer.alloc(SECTOR_SIZE), end3 - SECTOR_SIZE);
      }
      /** Writes zeroes, so that the range has room of its own. Throws ENOSPC past the end of a device. */
      async writeZeroes(position, length) {
        const zeroes = Buffer.alloc(Math.min(length, CHUNK));
        for (let done = 0; done < length; done += zeroes.length) {
          await this.write(zeroes.subarray(0, Math.min(zeroes.length, length - done)), position + done);
        }
      }
      /** Gives the room of a range back; it reads as zeroes then. False, and nothing changed, where that cannot be done. */
      async punchHole(position, length) {
        this.#beforeChange(position, length);
        return this.file.punchHole(position, length);
      }
      async #copyInKernel(source, range2) {
        if (this.#copiesByHand || range2.length < MIN_KERNEL_COPY) return false;
        this.#copiesByHand = !await this.file.copyFrom(source.file, range2);
        return !this.#copiesByHand;
      }
      async #copyByHand(source, { from, to, length }) {
        const chunk = Buffer.allocUnsafe(Math.min(length, CHUNK));
        for (let done = 0; done < length; done += chunk.length) {
          const piece = chunk.subarray(0, Math.min(chunk.length, length - done));
          await source.readInto(piece, from + done);
          await this.write(piece, to + done);
        }
      }
      /** Returns where the change ends. What was fetched ahead may be old from now on. */
      #beforeChange(position, length) {
        const end3 = position + length;
        if (this.isDevice && end3 > this.#size) throw vhdError("ENOSPC", `${this.path} ends before ${end3}`);
        this.#head = Buffer.alloc(0);
        return end3;
      }
      /** Cuts or extends a file; a device stays as it is. */
      async setLength(length) {
        if (this.isDevice || length === this.#size) return;
        await this.file.truncate(length);
        this.#size = length;
      }
      async sync() {
        await this.file.sync();
      }
      async close() {
        await this.file.close();
      }
    };
  }
});

// lib/vhd/VhdImage.ts
async function openVhd(files, path14, options = {}) {
  const storage = await (options.regular === void 0 ? openStorage(files, path14, options.write === true) : openRegularStorage(files, path14, options.regular.immediate));
  try {
    return await readVhd(storage, options);
  } catch (error) {
    await storage.close();
    throw error;
  }
}
async function readVhd(storage, options = {}) {
  if (storage.size === 0) throw vhdError("EPIPE", `${storage.path} is empty`);
  if (storage.size < FOOTER_SIZE) throw vhdError("EIO", `${storage.path} is too short for a VHD`);
  if (options.backupFooter === true) await storage.prefetch(HEAD);
  const { footer, used } = await readFooter(storage, options.backupFooter === true);
  if (footer.poisoned && options.allowPoisoned !== true) {
    throw vhdError("EINVAL", `${storage.path} is in the middle of a resize`);
  }
  if (footer.currentSize > MAX_VIRTUAL_SIZE) throw vhdError("EINVAL", `${storage.path}: virtual size too large`);
  if (footer.type === DISK_TYPES.FIXED) return new VhdImage(storage, footer, void 0, used);
  if (footer.type !== DISK_TYPES.DYNAMIC && footer.type !== DISK_TYPES.DIFFERENCING) {
    throw vhdError("EINVAL", `${storage.path}: unknown disk type ${footer.type}`);
  }
  const header = await readHeader(storage, footer);
  const tableEnd = header.tableOffset + tableBytes(header.maxEntries);
  if (tableEnd > storage.size && options.allowTruncated !== true) {
    throw vhdError("EINVAL", `${storage.path}: block table exceeds the image`);
  }
  return new VhdImage(storage, footer, header, used);
}
async function readFooter(storage, copyOnly) {
  const copy = await readFooterAt(storage, "copy");
  for (const used of copyOnly ? [] : ["end", "end-511"]) {
    const footer = await readFooterAt(storage, used);
    if (footer === void 0) continue;
    if (copy === void 0 || copy.uuid === footer.uuid || footer.type === DISK_TYPES.FIXED) return { footer, used };
  }
  if (copy === void 0) throw vhdError("EINVAL", `${storage.path} has no valid footer`);
  return { footer: copy, used: "copy" };
}
async function readFooterAt(storage, place2) {
  switch (place2) {
    case "end":
      return decodeFooter(await storage.read(storage.size - FOOTER_SIZE, FOOTER_SIZE));
    case "end-511": {
      const start3 = storage.size - FOOTER_SIZE + 1;
      if (start3 % SECTOR_SIZE !== 0) return void 0;
      return decodeFooter(Buffer.concat([await storage.read(start3, FOOTER_SIZE - 1)], FOOTER_SIZE));
    }
    case "copy":
      return decodeFooter(await storage.read(0, FOOTER_SIZE));
  }
}
async function readHeader(storage, footer) {
  const offset = footer.dataOffset;
  if (offset === void 0 || offset < FOOTER_SIZE || offset % SECTOR_SIZE !== 0) {
    throw vhdError("EINVAL", `${storage.path}: invalid data offset`);
  }
  const header = decodeHeader(await storage.read(offset, HEADER_SIZE));
  if (typeof header === "string") throw vhdError("EINVAL", `${storage.path}: header is invalid: ${header}`);
  return header;
}
var HEAD, VhdImage;
var init_VhdImage = __esm({
  "lib/vhd/VhdImage.ts"() {
    "use strict";
    init_Batmap();
    init_BlockTable();
    init_errors();
    init_footer();
    init_header();
    init_layout();
    init_Storage();
    HEAD = 4096;
    VhdImage = class {
      storage;
      footerUsed;
      footer;
      #header;
      constructor(storage, footer, header, footerUsed = "end") {
        this.storage = storage;
        this.footer = footer;
        this.#header = header;
        this.footerUsed = footerUsed;
      }
      get path() {
        return this.storage.path;
      }
      get virtualSize() {
        return this.footer.currentSize;
      }
      get isFixed() {
        return this.#header === void 0;
      }
      get isDifferencing() {
        return this.footer.type === DISK_TYPES.DIFFERENCING;
      }
      /** The dynamic header. Throws ENOSYS on a fixed disk, which has none. */
      get header() {
        if (this.#header === void 0) throw vhdError("ENOSYS", `${this.path} is a fixed disk`);
        return this.#header;
      }
      set header(header) {
        this.#header = header;
      }
      /** Blocks of the virtual size; a fixed disk has none. */
      get blockCount() {
        return this.#header === void 0 ? 0 : Math.ceil(this.virtualSize / this.#header.blockSize);
      }
      /** Reads the entries the virtual size needs. Throws EINVAL where the table is too short (spec vhd 2.6). */
      async readTable() {
        const { maxEntries, tableOffset } = this.header;
        if (this.blockCount > maxEntries) {
          throw vhdError("EINVAL", `${this.path}: VHD size (${this.blockCount} blocks) exceeds BAT size (${maxEntries})`);
        }
        return readTable(this.storage, tableOffset, this.blockCount);
      }
      /** Undefined where this kind of disk has none. Throws EINVAL where it should have one and it is not valid. */
      async readBatmap() {
        if (this.isFixed || !this.footer.hasBatmap) return void 0;
        const batmap = await readBatmap(this.storage, batmapHeaderOffset(this.header), this.virtualSize);
        if (!batmap.hasGoodChecksum) throw vhdError("EINVAL", `${this.path}: wrong batmap checksum`);
        return batmap;
      }
      /** End of everything before the blocks, bytes (spec vhd 2.1). Throws EINVAL where that is not in the image. */
      endOfMetadata(batmap) {
        const { tableOffset, maxEntries, locators } = this.header;
        const end3 = Math.max(
          TABLE_OFFSET,
          tableOffset + tableBytes(maxEntries),
          batmap === void 0 ? 0 : batmap.header.offset + padToSector(batmap.header.reserved),
          ...locators.map(({ offset, space }) => offset + space)
        );
        if (end3 > this.storage.size) throw vhdError("EINVAL", `${this.path}: metadata exceeds the image`);
        return end3;
      }
      /** Where the next block or the end footer goes, bytes (spec vhd 2.7). */
      endOfData(table, batmap) {
        const span = this.blockSpan;
        let end3 = this.endOfMetadata(batmap);
        for (const { sector } of table.allocated()) end3 = Math.max(end3, sector * SECTOR_SIZE + span);
        return end3;
      }
      /** Bytes of one block with its bitmap. */
      get blockSpan() {
        return bitmapBytes(this.header.blockSize) + this.header.blockSize;
      }
      async close() {
        await this.storage.close();
      }
    };
  }
});

// lib/vhd/parents.ts
import path6 from "node:path";
async function findParent(place2, image) {
  if (!image.isDifferencing) return void 0;
  for (const locator of image.header.locators) {
    const name = await readLocator(image.storage, locator);
    const found2 = name === void 0 ? void 0 : await resolveFrom(place2, image.path, name);
    if (found2 !== void 0) return { path: found2, raw: image.header.parentUuid === ZERO_UUID };
  }
  throw vhdError("ENOENT", `${image.path}: no parent locator leads to a file`);
}
async function readLocator(storage, locator) {
  const { code, length, offset, space } = locator;
  if (!isDecodable(code) || length === 0 || length > Math.min(space, MAX_LOCATOR_LENGTH)) return void 0;
  if (offset + length > storage.size) return void 0;
  return decodeLocatorText(code, await storage.read(offset, length));
}
async function canonicalPath({ files, boundary, group }, name) {
  const absolute = path6.resolve(name);
  const mapper = await mapperPath(files, absolute);
  const real = mapper ?? await files.realpath(absolute);
  if (boundary !== void 0) await requireInside(files, boundary, real);
  if (group !== void 0 && !isVolumeOf(group, real)) throw vhdError("EACCES", outside(real, group));
  return real;
}
async function resolveFrom(place2, child, name) {
  const directory = path6.dirname(await canonicalOrSelf(place2.files, child));
  const found2 = await resolveInside(place2, child, path6.resolve(directory, name));
  return found2 ?? (path6.isAbsolute(name) ? resolveInside(place2, child, path6.join(directory, name)) : void 0);
}
async function resolveInside(place2, child, candidate) {
  const { boundary, files, group } = place2;
  if (boundary !== void 0 && !isUnder(candidate, await files.realpath(boundary))) {
    throw vhdError("EACCES", `${child}: parent ${outside(candidate, boundary)}`);
  }
  if (group !== void 0 && !isVolumeOf(group, mappedName(candidate) ?? candidate)) {
    throw vhdError("EACCES", `${child}: parent ${outside(candidate, group)}`);
  }
  try {
    return await canonicalPath(place2, candidate);
  } catch (error) {
    if (isErrno(error, "ENOENT") || isErrno(error, "ENOTDIR")) return void 0;
    throw error;
  }
}
async function canonicalOrSelf(files, name) {
  return await mapperPath(files, path6.resolve(name)) ?? await files.realpath(name);
}
async function requireInside(files, boundary, real) {
  if (!isUnder(real, await files.realpath(boundary))) throw vhdError("EACCES", outside(real, boundary));
  if (!(await files.lstat(real)).isFile()) throw vhdError("EACCES", `${real} is not a regular file`);
}
function isUnder(file, directory) {
  return file.startsWith(directory.endsWith("/") ? directory : `${directory}/`);
}
function isVolumeOf(group, file) {
  const [, name = ""] = MAPPER_PATH.exec(file) ?? [];
  return parseMapperName(name)?.group === group;
}
function outside(file, limit) {
  return `${file} lies outside ${limit}`;
}
async function mapperPath(files, absolute) {
  const mapped = mappedName(absolute);
  return mapped !== void 0 && await files.exists(mapped) ? mapped : void 0;
}
function mappedName(absolute) {
  return MAPPER_PATH.test(absolute) ? absolute : volumePath(absolute);
}
function volumePath(absolute) {
  const [, group, volume] = /^\/dev\/([^/]+)\/([^/]+)$/.exec(absolute) ?? [];
  if (group === void 0 || volume === void 0) return void 0;
  return `/dev/mapper/${group.replaceAll("-", "--")}-${volume.replaceAll("-", "--")}`;
}
var MAPPER_PATH;
var init_parents = __esm({
  "lib/vhd/parents.ts"() {
    "use strict";
    init_names();
    init_files();
    init_errors();
    init_layout();
    init_locator();
    init_uuid();
    init_VhdImage();
    MAPPER_PATH = /^\/dev\/mapper\/([^/]+)$/;
  }
});

// lib/vhd/DiskImage.ts
function requireRange(image, position, length) {
  const valid = Number.isSafeInteger(position) && Number.isSafeInteger(length) && position >= 0 && length >= 0;
  if (valid && position + length <= image.virtualSize) return;
  throw vhdError("ERANGE", `${image.images[0] ?? "image"}: ${position}+${length} exceeds ${image.virtualSize} bytes`);
}
function mergeRanges(ranges, end3) {
  const merged = [];
  for (const { offset, length } of [...ranges].sort((a, b) => a.offset - b.offset)) {
    const stop = Math.min(offset + length, end3);
    const last = merged.at(-1);
    if (last !== void 0 && offset <= last.offset + last.length) {
      last.length = Math.max(last.length, stop - last.offset);
    } else if (stop > offset) {
      merged.push({ offset, length: stop - offset });
    }
  }
  return merged;
}
async function* joinStatus(ranges) {
  let last;
  for await (const range2 of ranges) {
    if (last?.kind === range2.kind) {
      last = { ...last, length: last.length + range2.length };
    } else {
      if (last !== void 0) yield last;
      last = range2;
    }
  }
  if (last !== void 0) yield last;
}
var init_DiskImage = __esm({
  "lib/vhd/DiskImage.ts"() {
    "use strict";
    init_errors();
  }
});

// lib/vhd/RawImage.ts
var RawImage_exports = {};
__export(RawImage_exports, {
  RawImage: () => RawImage,
  openRaw: () => openRaw
});
async function openRaw(files, path14, write2) {
  const storage = await openStorage(files, path14, write2);
  return new RawImage(storage, storage.size);
}
var RawImage;
var init_RawImage = __esm({
  "lib/vhd/RawImage.ts"() {
    "use strict";
    init_errors();
    init_DiskImage();
    init_Storage();
    RawImage = class {
      virtualSize;
      #storage;
      #changed = false;
      constructor(storage, virtualSize) {
        this.#storage = storage;
        this.virtualSize = virtualSize;
      }
      get images() {
        return [this.#storage.path];
      }
      async read(position, length) {
        requireRange(this, position, length);
        return asVhdError(this.#storage.path, () => this.#storage.read(position, length));
      }
      async write(position, bytes) {
        await this.#change(position, bytes.length, () => this.#storage.write(bytes, position));
      }
      async writeZeroes(position, length, options = {}) {
        await this.#change(
          position,
          length,
          () => options.allocate === true ? this.#storage.writeZeroes(position, length) : this.#storage.makeZero(position, length)
        );
      }
      async trim(position, length) {
        await this.#change(position, length, async () => {
          await this.#storage.punchHole(position, length);
        });
      }
      async flush() {
        if (!this.#changed) return;
        this.#changed = false;
        await asVhdError(this.#storage.path, () => this.#storage.sync()).catch((error) => {
          this.#changed = true;
          throw error;
        });
      }
      async *status(position, length) {
        requireRange(this, position, length);
        if (length === 0) return;
        for (const run of await asVhdError(this.#storage.path, () => this.#storage.file.runs(position, length))) {
          yield { offset: run.position, length: run.length, kind: run.stored ? "data" : "zero" };
        }
      }
      allocatedRanges() {
        return this.virtualSize === 0 ? [] : [{ offset: 0, length: this.virtualSize }];
      }
      async #change(position, length, change3) {
        requireRange(this, position, length);
        if (length === 0) return;
        await asVhdError(this.#storage.path, change3).finally(() => {
          this.#changed = true;
        });
      }
      async close() {
        await this.flush().finally(() => this.#storage.close());
      }
    };
  }
});

// lib/vhd/parallel.ts
async function inParallel(items, limit, task2) {
  const pool2 = new Pool(limit);
  for (const item of items) {
    if (pool2.failed) break;
    await pool2.add(() => task2(item));
  }
  await pool2.drain();
}
var Pool;
var init_parallel = __esm({
  "lib/vhd/parallel.ts"() {
    "use strict";
    Pool = class {
      #limit;
      #running = /* @__PURE__ */ new Set();
      #failure;
      constructor(limit) {
        this.#limit = limit;
      }
      get failed() {
        return this.#failure !== void 0;
      }
      /** Starts a task at once or when there is room; resolves when it has started. */
      async add(task2) {
        while (this.#running.size >= this.#limit) await Promise.race(this.#running);
        const running = this.#watch(task2);
        this.#running.add(running);
        void running.then(() => this.#running.delete(running));
      }
      /** Waits for all tasks, whatever becomes of them. */
      async settle() {
        await Promise.all(this.#running);
      }
      /** Waits for all tasks. Throws the first error of any. */
      async drain() {
        await this.settle();
        if (this.#failure !== void 0) throw this.#failure.error;
      }
      async #watch(task2) {
        try {
          await task2();
        } catch (error) {
          this.#failure ??= { error };
        }
      }
    };
  }
});

// lib/vhd/RawLayer.ts
var RawLayer;
var init_RawLayer = __esm({
  "lib/vhd/RawLayer.ts"() {
    "use strict";
    init_layout();
    RawLayer = class {
      storage;
      #size;
      constructor(storage, size) {
        this.storage = storage;
        this.#size = size;
      }
      get path() {
        return this.storage.path;
      }
      locate(first, end3) {
        const held = Math.max(first, Math.min(end3, Math.ceil(this.#size / SECTOR_SIZE)));
        const runs = [
          { first, end: held, position: first * SECTOR_SIZE },
          { first: held, end: end3, position: void 0 }
        ];
        return Promise.resolve(runs.filter((run) => run.first < run.end));
      }
      /** A raw image may end within a sector. */
      async readInto(target, position) {
        const held = target.subarray(0, Math.max(0, this.#size - position));
        await this.storage.readInto(held, position);
        target.fill(0, held.length);
      }
      *ranges() {
        if (this.#size > 0) yield { offset: 0, length: this.#size };
      }
      async close() {
        await this.storage.close();
      }
    };
  }
});

// lib/vhd/BitmapCache.ts
var BitmapCache;
var init_BitmapCache = __esm({
  "lib/vhd/BitmapCache.ts"() {
    "use strict";
    BitmapCache = class {
      #limit;
      #bitmaps = /* @__PURE__ */ new Map();
      #loading = /* @__PURE__ */ new Map();
      #bytes = 0;
      constructor(limit) {
        this.#limit = limit;
      }
      get bytes() {
        return this.#bytes;
      }
      /** The bitmap of a block, loaded once however many ask for it at a time. */
      get(block, load) {
        const known = this.#bitmaps.get(block);
        if (known === void 0) return this.#loading.get(block) ?? this.#load(block, load);
        this.#bitmaps.delete(block);
        this.#bitmaps.set(block, known);
        return known;
      }
      /** Keeps a bitmap that is on disk now; one that is being loaded is older and is not kept. */
      keep(block, bitmap) {
        this.#loading.delete(block);
        this.#drop(block);
        this.#bitmaps.set(block, bitmap);
        this.#bytes += bitmap.length;
        for (const oldest of this.#bitmaps.keys()) {
          if (this.#bytes <= this.#limit) break;
          this.#drop(oldest);
        }
      }
      #load(block, load) {
        const loading = load().then(
          (bitmap) => {
            if (this.#loading.get(block) === loading) this.keep(block, bitmap);
            return bitmap;
          },
          (error) => {
            if (this.#loading.get(block) === loading) this.#loading.delete(block);
            throw error;
          }
        );
        this.#loading.set(block, loading);
        return loading;
      }
      #drop(block) {
        const bitmap = this.#bitmaps.get(block);
        if (bitmap === void 0) return;
        this.#bitmaps.delete(block);
        this.#bytes -= bitmap.length;
      }
    };
  }
});

// lib/vhd/SectorBitmap.ts
function* bitRuns(bitmap, first, end3) {
  let start3 = first;
  while (start3 < end3) {
    const present = hasBit(bitmap, start3);
    let stop = start3 + 1;
    while (stop < end3 && hasBit(bitmap, stop) === present) stop += wholeByte(bitmap, stop, end3, present) ? 8 : 1;
    yield { present, first: start3, end: stop };
    start3 = stop;
  }
}
function setBits(bitmap, first, end3) {
  let changed = false;
  let sector = first;
  while (sector < end3) {
    const byte = sector >> 3;
    const stop = Math.min(end3, (byte + 1) * 8);
    const old = bitmap.readUInt8(byte);
    const mask = 255 >> (sector & 7) & 255 << (byte + 1) * 8 - stop;
    changed ||= (old & mask) !== mask;
    bitmap.writeUInt8(old | mask, byte);
    sector = stop;
  }
  return changed;
}
function isFull(bitmap, count2) {
  for (const run of bitRuns(bitmap, 0, count2)) return run.present && run.end === count2;
  return true;
}
function isEmpty(bitmap, count2) {
  for (const run of bitRuns(bitmap, 0, count2)) return !run.present && run.end === count2;
  return true;
}
function hasBit(bitmap, sector) {
  return ((bitmap[sector >> 3] ?? 0) & 128 >> (sector & 7)) !== 0;
}
function wholeByte(bitmap, sector, end3, present) {
  return (sector & 7) === 0 && sector + 8 <= end3 && bitmap[sector >> 3] === (present ? 255 : 0);
}
var init_SectorBitmap = __esm({
  "lib/vhd/SectorBitmap.ts"() {
    "use strict";
  }
});

// lib/vhd/VhdLayer.ts
async function readLayer(image) {
  return new VhdLayer(image, await image.readTable(), await batmapIfValid(image));
}
async function readWritableLayer(image) {
  const table = await image.readTable();
  const batmap = await batmapIfValid(image);
  if (batmap !== void 0 || !image.footer.hasBatmap) return new VhdLayer(image, table, batmap);
  return new VhdLayer(image, table, await clearBatmap(image), true);
}
async function batmapIfValid(image) {
  try {
    return await image.readBatmap();
  } catch (error) {
    if (error instanceof VhdError && error.code === "EINVAL") return void 0;
    throw error;
  }
}
async function clearBatmap(image) {
  const header = await readBatmapHeader(image.storage, batmapHeaderOffset(image.header));
  return new Batmap(header, Buffer.alloc(batmapCoverage(image.virtualSize)));
}
var CACHED_BITMAPS, VhdLayer;
var init_VhdLayer = __esm({
  "lib/vhd/VhdLayer.ts"() {
    "use strict";
    init_Batmap();
    init_BitmapCache();
    init_header();
    init_layout();
    init_SectorBitmap();
    init_VhdUtil();
    CACHED_BITMAPS = 2 * 1024 * 1024;
    VhdLayer = class {
      image;
      table;
      batmap;
      /** Bitmaps that differ from those on disk, by block. */
      dirty = /* @__PURE__ */ new Map();
      /** The bits on disk are broken and `batmap` is to take their place. */
      mendsBatmap;
      #cache = new BitmapCache(CACHED_BITMAPS);
      constructor(image, table, batmap, mendsBatmap = false) {
        this.image = image;
        this.table = table;
        this.batmap = batmap;
        this.mendsBatmap = mendsBatmap;
      }
      get path() {
        return this.image.path;
      }
      get storage() {
        return this.image.storage;
      }
      get sectorsPerBlock() {
        return this.image.header.blockSize / SECTOR_SIZE;
      }
      /** Sectors of the virtual size. */
      get sectors() {
        return Math.ceil(this.image.virtualSize / SECTOR_SIZE);
      }
      async locate(first, end3) {
        const stop = Math.max(first, Math.min(end3, this.sectors));
        const runs = [];
        let at = first;
        while (at < stop) {
          const block = Math.floor(at / this.sectorsPerBlock);
          const allocated = this.table.get(block) !== void 0;
          const next2 = allocated ? (block + 1) * this.sectorsPerBlock : this.#endOfUnallocated(block, stop);
          const part = Math.min(stop, next2);
          if (allocated) runs.push(...await this.#locateInBlock(block, at, part));
          else runs.push({ first: at, end: part, position: void 0 });
          at = part;
        }
        if (stop < end3) runs.push({ first: stop, end: end3, position: void 0 });
        return runs;
      }
      readInto(target, position) {
        return this.storage.readInto(target, position);
      }
      #endOfUnallocated(block, stop) {
        let next2 = block + 1;
        while (next2 * this.sectorsPerBlock < stop && this.table.get(next2) === void 0) next2 += 1;
        return next2 * this.sectorsPerBlock;
      }
      async #locateInBlock(block, first, end3) {
        const data = this.dataOffset(block);
        const start3 = block * this.sectorsPerBlock;
        const position = (sector) => data + (sector - start3) * SECTOR_SIZE;
        if (this.batmap?.isFull(block) === true) return [{ first, end: end3, position: position(first) }];
        const bitmap = await this.bitmap(block);
        return [...bitRuns(bitmap, first - start3, end3 - start3)].map((run) => ({
          first: start3 + run.first,
          end: start3 + run.end,
          position: run.present ? position(start3 + run.first) : void 0
        }));
      }
      /** Byte offset of an allocated block's bitmap. */
      bitmapOffset(block) {
        const sector = this.table.get(block);
        if (sector === void 0) throw new RangeError(`block ${block} of ${this.path} is not allocated`);
        return sector * SECTOR_SIZE;
      }
      /** Byte offset of an allocated block's data. */
      dataOffset(block) {
        return this.bitmapOffset(block) + bitmapBytes(this.image.header.blockSize);
      }
      /** The bitmap of an allocated block, with changes that are not on disk yet. Not to be changed by the caller. */
      async bitmap(block) {
        const changed = this.dirty.get(block);
        if (changed !== void 0) return changed;
        const length = bitmapBytes(this.image.header.blockSize);
        return this.#cache.get(block, () => this.storage.read(this.bitmapOffset(block), length));
      }
      /** Takes over a changed bitmap that is on disk now. */
      keep(block, bitmap) {
        this.dirty.delete(block);
        this.#cache.keep(block, bitmap);
      }
      *ranges() {
        const length = this.image.header.blockSize;
        for (const { block } of this.table.allocated()) yield { offset: block * length, length };
      }
      async close() {
        await this.image.close();
      }
    };
  }
});

// lib/vhd/VhdChain.ts
async function statusOfRun({ first, end: end3, source }) {
  const start3 = first * SECTOR_SIZE;
  const length = (end3 - first) * SECTOR_SIZE;
  if (source === void 0) return [{ start: start3, size: length, kind: "hole" }];
  const runs = await source.layer.storage.file.runs(source.position, length);
  return runs.map((run) => ({
    start: start3 + run.position - source.position,
    size: run.length,
    kind: run.stored ? "data" : "zero"
  }));
}
function* windows(first, end3) {
  for (let at = first; at < end3; at += WINDOW) yield { first: at, end: Math.min(end3, at + WINDOW) };
}
async function openLayers(place2, leaf, layers) {
  const first = await openVhd(place2.files, await canonicalPath(place2, leaf), { write: place2.write === true });
  let next2 = await addVhd(place2, first, { layers, write: place2.write === true });
  let expected = first.isDifferencing ? first.header.parentUuid : void 0;
  while (next2 !== void 0) {
    const parent = next2;
    requireNewAncestor(layers, parent.path);
    if (parent.raw) {
      const storage = await openStorage(place2.files, parent.path, false);
      layers.push(new RawLayer(storage, storage.size));
      break;
    }
    const image = await openVhd(place2.files, parent.path);
    next2 = await addVhd(place2, image, { layers, write: false });
    if (image.footer.uuid !== expected) throw vhdError("EINVAL", `${parent.path} is not the disk its child means`);
    expected = image.isDifferencing ? image.header.parentUuid : void 0;
  }
  return Math.floor(first.virtualSize / SECTOR_SIZE) * SECTOR_SIZE;
}
async function addVhd(place2, image, { layers, write: write2 }) {
  try {
    if (image.isFixed) layers.push(new RawLayer(image.storage, image.virtualSize));
    else layers.push(await (write2 ? readWritableLayer(image) : readLayer(image)));
  } catch (error) {
    await image.close();
    throw error;
  }
  return findParent(place2, image);
}
function requireNewAncestor(layers, path14) {
  if (layers.length === MAX_CHAIN_LENGTH) throw vhdError("ELOOP", `${path14}: chain longer than ${MAX_CHAIN_LENGTH}`);
  if (layers.some((layer) => layer.path === path14)) throw vhdError("ELOOP", `${path14} is its own ancestor`);
}
async function closeAll(layers) {
  await Promise.all(layers.map((layer) => layer.close()));
}
var WINDOW, PARALLEL_READS, VhdChain;
var init_VhdChain = __esm({
  "lib/vhd/VhdChain.ts"() {
    "use strict";
    init_DiskImage();
    init_errors();
    init_layout();
    init_parallel();
    init_parents();
    init_RawLayer();
    init_Storage();
    init_VhdLayer();
    init_VhdImage();
    WINDOW = 128 * 1024;
    PARALLEL_READS = 8;
    VhdChain = class _VhdChain {
      virtualSize;
      #layers;
      constructor(layers, virtualSize) {
        this.#layers = layers;
        this.virtualSize = virtualSize;
      }
      /**
       * Opens an image and all its ancestors. Throws ENOENT for a missing parent, EINVAL for one that is another disk than
       * the child means, EACCES for one outside the boundary, ELOOP for a chain that does not end.
       */
      static async open(files, path14, options = {}) {
        return asVhdError(path14, async () => {
          const layers = [];
          try {
            const virtualSize = await openLayers({ ...options, files }, path14, layers);
            return new _VhdChain(layers, virtualSize);
          } catch (error) {
            await closeAll(layers);
            throw error;
          }
        });
      }
      get images() {
        return this.#layers.map(({ path: path14 }) => path14);
      }
      /** The leaf's tables, undefined where the leaf is a fixed disk. */
      get leaf() {
        const [leaf] = this.#layers;
        return leaf instanceof VhdLayer ? leaf : void 0;
      }
      async read(position, length) {
        requireRange(this, position, length);
        const first = Math.floor(position / SECTOR_SIZE);
        const end3 = Math.ceil((position + length) / SECTOR_SIZE);
        const target = Buffer.allocUnsafe((end3 - first) * SECTOR_SIZE);
        await asVhdError(this.images[0] ?? "", async () => {
          for (const window of windows(first, end3)) await this.#readWindow(target, first, window);
        });
        return target.subarray(position - first * SECTOR_SIZE, position - first * SECTOR_SIZE + length);
      }
      async *status(position, length) {
        requireRange(this, position, length);
        yield* joinStatus(this.#statusOf({ offset: position, length }));
      }
      /**
       * Which image holds which of the sectors `[first, end)`, ascending and without gaps. A range of many blocks is better
       * asked for in parts: the answer has up to one run for every second sector.
       */
      async locate(first, end3) {
        const found2 = [];
        await this.#locate(0, { first, end: end3 }, found2);
        return found2;
      }
      /** Whole blocks that hold data in any image, cut at the end of the disk. */
      allocatedRanges() {
        return mergeRanges(
          this.#layers.flatMap((layer) => [...layer.ranges()]),
          this.virtualSize
        );
      }
      async close() {
        await closeAll(this.#layers);
      }
      async #locate(level, { first, end: end3 }, found2) {
        const layer = this.#layers[level];
        if (layer === void 0) {
          found2.push({ first, end: end3, source: void 0 });
          return;
        }
        for (const run of await layer.locate(first, end3)) {
          if (run.position === void 0) await this.#locate(level + 1, run, found2);
          else found2.push({ first: run.first, end: run.end, source: { layer, position: run.position } });
        }
      }
      async #readWindow(target, origin, { first, end: end3 }) {
        await inParallel(await this.locate(first, end3), PARALLEL_READS, async (run) => {
          const part = target.subarray((run.first - origin) * SECTOR_SIZE, (run.end - origin) * SECTOR_SIZE);
          if (run.source === void 0) part.fill(0);
          else await run.source.layer.readInto(part, run.source.position);
        });
      }
      async *#statusOf({ offset, length }) {
        const stop = offset + length;
        for (const { first, end: end3 } of windows(Math.floor(offset / SECTOR_SIZE), Math.ceil(stop / SECTOR_SIZE))) {
          for (const run of await this.locate(first, end3)) {
            for (const { start: start3, kind, size } of await statusOfRun(run)) {
              const from = Math.max(start3, offset);
              const to = Math.min(start3 + size, stop);
              if (from < to) yield { offset: from, length: to - from, kind };
            }
          }
        }
      }
    };
  }
});

// lib/vhd/footers.ts
async function writeFooters(image, footer, end3) {
  await writeEndFooter(image, footer, end3);
  await writeFooterCopy(image, footer);
  image.footer = footer;
}
async function writeEndFooter({ storage }, footer, end3) {
  await storage.write(footer.raw, end3);
  await storage.setLength(end3 + FOOTER_SIZE);
}
async function writeFooterCopy(image, footer) {
  if (!image.isFixed) await image.storage.write(footer.raw, 0);
}
var init_footers = __esm({
  "lib/vhd/footers.ts"() {
    "use strict";
    init_files();
    init_layout();
  }
});

// lib/vhd/Gate.ts
function ignore() {
  return void 0;
}
var Gate;
var init_Gate = __esm({
  "lib/vhd/Gate.ts"() {
    "use strict";
    Gate = class {
      #inside = 0;
      #alone;
      #emptied;
      /** Runs beside the others; starts before this returns where nobody is or waits to be alone. */
      async pass(task2) {
        while (this.#alone !== void 0) await this.#alone;
        this.#inside += 1;
        try {
          return await task2();
        } finally {
          this.#inside -= 1;
          if (this.#inside === 0) this.#emptied?.();
        }
      }
      /** Runs when those inside have left, and keeps others out meanwhile. */
      async alone(task2) {
        while (this.#alone !== void 0) await this.#alone;
        const turn = this.#whenEmpty().then(task2).finally(() => {
          this.#alone = void 0;
        });
        this.#alone = turn.then(ignore, ignore);
        return turn;
      }
      async #whenEmpty() {
        if (this.#inside === 0) return;
        await new Promise((resolve) => {
          this.#emptied = resolve;
        });
        this.#emptied = void 0;
      }
    };
  }
});

// lib/vhd/Payload.ts
function bytesPayload(bytes) {
  if (bytes.length % SECTOR_SIZE !== 0) throw new RangeError(`${bytes.length} bytes are no whole sectors`);
  return {
    length: bytes.length,
    part: (offset, length) => bytesPayload(bytes.subarray(offset, offset + length)),
    put: (storage, position) => storage.write(bytes, position)
  };
}
function zeroPayload(length, allocate) {
  return {
    length,
    part: (_, partLength) => zeroPayload(partLength, allocate),
    put: (storage, position) => allocate ? storage.writeZeroes(position, length) : storage.makeZero(position, length)
  };
}
var init_Payload = __esm({
  "lib/vhd/Payload.ts"() {
    "use strict";
    init_layout();
  }
});

// lib/vhd/BlockWriter.ts
async function writeBatmap({ storage, header }, batmap) {
  const headerOffset = batmapHeaderOffset(header);
  if (batmap.header.offset === headerOffset + SECTOR_SIZE) {
    return storage.write(Buffer.concat([batmap.headerBytes(), batmap.bits]), headerOffset);
  }
  await storage.write(batmap.bits, batmap.header.offset);
  await storage.write(batmap.headerBytes(), headerOffset);
}
var PARALLEL_BLOCKS, BlockWriter;
var init_BlockWriter = __esm({
  "lib/vhd/BlockWriter.ts"() {
    "use strict";
    init_errors();
    init_footers();
    init_Gate();
    init_header();
    init_layout();
    init_parallel();
    init_Payload();
    init_SectorBitmap();
    PARALLEL_BLOCKS = 4;
    BlockWriter = class {
      #layer;
      /** Writes pass, flushes are alone: what a flush makes durable does not change meanwhile. */
      #gate = new Gate();
      /** Blocks whose table entry is not on disk yet. */
      #new = /* @__PURE__ */ new Set();
      /** Parts being written, by block. */
      #inFlight = /* @__PURE__ */ new Map();
      #nextFlush;
      #end;
      #batmapChanged;
      #unsynced = false;
      #changed;
      constructor(layer) {
        this.#layer = layer;
        this.#changed = layer.image.footerUsed !== "end";
        this.#end = layer.image.endOfData(layer.table, layer.batmap);
        this.#batmapChanged = layer.mendsBatmap;
      }
      /** Bitmaps that wait for a flush. */
      get pending() {
        return this.#layer.dirty.size;
      }
      /** Writes whole sectors from `sector` on. */
      async write(sector, bytes) {
        await this.put(sector, bytesPayload(bytes));
      }
      /**
       * Puts whole sectors from `sector` on. A failed call leaves earlier content as it was or as put, sector by sector.
       * Two calls at the same time must not overlap.
       */
      async put(sector, payload) {
        await this.#gate.pass(() => inParallel(this.#parts(sector, payload), PARALLEL_BLOCKS, (part) => this.#putPart(part)));
      }
      /** Gives the room of the sectors `[first, end)` back where this disk holds them: they read as zeroes or as before. */
      async discard(first, end3) {
        await this.#gate.pass(async () => {
          for (const run of await this.#layer.locate(first, end3)) {
            if (run.position === void 0) continue;
            this.#unsynced = true;
            await this.#layer.storage.punchHole(run.position, (run.end - run.first) * SECTOR_SIZE);
          }
        });
      }
      /** Makes everything durable that was written by calls that have returned: data and new bitmaps first, then what refers to them. */
      async flush() {
        this.#nextFlush ??= this.#gate.alone(() => {
          this.#nextFlush = void 0;
          return this.#flush();
        });
        await this.#nextFlush;
      }
      /** Flushes, then writes batmap and footers if anything was written or the batmap was found broken. */
      async finish() {
        await this.#gate.alone(async () => {
          await this.#flush();
          if (this.#changed || this.#batmapChanged) await this.#writeTail();
          this.#changed = false;
          this.#batmapChanged = false;
        });
      }
      *#parts(sector, payload) {
        const { sectorsPerBlock } = this.#layer;
        let done = 0;
        while (done < payload.length) {
          const at = sector + done / SECTOR_SIZE;
          const first = at % sectorsPerBlock;
          const length = Math.min(payload.length - done, (sectorsPerBlock - first) * SECTOR_SIZE);
          yield { block: Math.floor(at / sectorsPerBlock), first, payload: payload.part(done, length) };
          done += length;
        }
      }
      async #putPart(part) {
        const { block, first, payload } = part;
        this.#changed = true;
        this.#unsynced = true;
        const gap = this.#layer.table.get(block) === void 0 ? this.#allocate(part) : void 0;
        this.#inFlight.set(block, (this.#inFlight.get(block) ?? 0) + 1);
        let failed = true;
        try {
          const bitmap = await this.#bitmapToChange(block);
          if (gap !== void 0) await this.#layer.storage.write(Buffer.alloc(gap.length), gap.position);
          await payload.put(this.#layer.storage, this.#layer.dataOffset(block) + first * SECTOR_SIZE);
          if (bitmap !== void 0) this.#mark(part, bitmap);
          failed = false;
        } finally {
          this.#leave(block, failed);
        }
      }
      /**
       * Reserves room for a block; in memory it belongs to the disk from now on, with no sector present. Returns the gap
       * before it where that has to be cleared: it may hold the old end footer, which a whole-block write of the reference
       * leaves behind too.
       */
      #allocate({ block, payload }) {
        const { image, table, dirty } = this.#layer;
        const { blockSize } = image.header;
        const sector = nextBlockSector(this.#end, blockSize);
        const offset = sector * SECTOR_SIZE;
        this.#requireRoom(sector, offset + image.blockSpan);
        const gap = { position: this.#end, length: offset - this.#end };
        table.set(block, sector);
        dirty.set(block, Buffer.alloc(bitmapBytes(blockSize)));
        this.#new.add(block);
        this.#end = offset + image.blockSpan;
        return payload.length < blockSize && gap.length > 0 ? gap : void 0;
      }
      #requireRoom(sector, end3) {
        const { storage } = this.#layer;
        const full = sector >= BLOCK_UNUSED || storage.isDevice && end3 > storage.size - FOOTER_SIZE;
        if (full) throw vhdError("ENOSPC", `${storage.path} has no room for another block`);
      }
      /** Undefined for a block that is full: no bit of it can change. */
      async #bitmapToChange(block) {
        return this.#layer.batmap?.isFull(block) === true ? void 0 : this.#layer.bitmap(block);
      }
      /** `known` is the bitmap as it was before the data was written; others may have changed it since. */
      #mark({ block, first, payload }, known) {
        const { dirty, batmap, sectorsPerBlock } = this.#layer;
        const bitmap = dirty.get(block) ?? Buffer.from(known);
        if (!setBits(bitmap, first, first + payload.length / SECTOR_SIZE)) return;
        dirty.set(block, bitmap);
        if (isFull(bitmap, sectorsPerBlock) && batmap?.setFull(block) === true) this.#batmapChanged = true;
      }
      #leave(block, failed) {
        const left = (this.#inFlight.get(block) ?? 1) - 1;
        if (left > 0) this.#inFlight.set(block, left);
        else this.#inFlight.delete(block);
        if (failed && left === 0) this.#releaseIfUnused(block);
      }
      /** A new block that nothing could be written to is taken back, so that a full disk can still be flushed. */
      #releaseIfUnused(block) {
        const { image, table, dirty, sectorsPerBlock } = this.#layer;
        const bitmap = dirty.get(block);
        if (!this.#new.has(block) || bitmap === void 0 || !isEmpty(bitmap, sectorsPerBlock)) return;
        const offset = this.#layer.bitmapOffset(block);
        if (offset + image.blockSpan === this.#end) this.#end = offset;
        table.set(block, BLOCK_UNUSED);
        dirty.delete(block);
        this.#new.delete(block);
      }
      async #flush() {
        if (!this.#unsynced) return;
        const { storage, dirty } = this.#layer;
        if (this.#new.size > 0) await storage.setLength(Math.max(storage.size, this.#end));
        for (const block of this.#new) await this.#writeBitmap(block);
        await storage.sync();
        if (this.pending > 0) {
          await this.#writeTable();
          for (const block of dirty.keys()) if (!this.#new.has(block)) await this.#writeBitmap(block);
          await storage.sync();
        }
        for (const [block, bitmap] of [...dirty]) this.#layer.keep(block, bitmap);
        this.#new.clear();
        this.#unsynced = false;
      }
      async #writeBitmap(block) {
        const bitmap = this.#layer.dirty.get(block);
        if (bitmap !== void 0) await this.#layer.storage.write(bitmap, this.#layer.bitmapOffset(block));
      }
      async #writeTable() {
        const { image, table } = this.#layer;
        const sectors = new Map([...this.#new].map((block) => [table.sectorOf(block).offset, block]));
        for (const block of sectors.values()) {
          const { offset, bytes } = table.sectorOf(block);
          await image.storage.write(bytes, image.header.tableOffset + offset);
        }
      }
      async #writeTail() {
        const { image, table, batmap } = this.#layer;
        if (batmap !== void 0 && this.#batmapChanged) await writeBatmap(image, batmap);
        const end3 = image.storage.isDevice ? image.storage.size - FOOTER_SIZE : image.endOfData(table, batmap);
        await writeFooters(image, image.footer, end3);
        await image.storage.sync();
      }
    };
  }
});

// lib/vhd/Overlaps.ts
var Overlaps;
var init_Overlaps = __esm({
  "lib/vhd/Overlaps.ts"() {
    "use strict";
    init_layout();
    Overlaps = class {
      #table;
      /** Bytes of one block with its bitmap. */
      #span;
      /** Equal lengths, so only neighbours on the disk can overlap. */
      #sorted;
      constructor(table, span) {
        this.#table = table;
        this.#span = span;
        this.#sorted = new Uint32Array(table.allocatedCount());
        let next2 = 0;
        for (const { sector } of table.allocated()) this.#sorted[next2++] = sector;
        this.#sorted.sort();
      }
      has(block) {
        const sector = this.#table.get(block);
        if (sector === void 0) return false;
        const at = this.#lowerBound(sector);
        return this.#touches(at - 1, sector) || this.#touches(at + 1, sector);
      }
      /** The lowest block that overlaps another one. */
      first() {
        if (!this.#sorted.some((sector, index) => index > 0 && this.#touches(index - 1, sector))) return void 0;
        for (const { block } of this.#table.allocated()) if (this.has(block)) return block;
        return void 0;
      }
      #touches(index, sector) {
        const other = this.#sorted[index];
        return other !== void 0 && Math.abs(other - sector) * SECTOR_SIZE < this.#span;
      }
      /** Index of the first entry that is not below `sector`. */
      #lowerBound(sector) {
        let low = 0;
        let high = this.#sorted.length;
        while (low < high) {
          const middle = low + high >>> 1;
          if ((this.#sorted[middle] ?? 0) < sector) low = middle + 1;
          else high = middle;
        }
        return low;
      }
    };
  }
});

// lib/vhd/checkWritable.ts
function checkWritable(layer) {
  const { footer, path: path14 } = layer.image;
  if (footer.hidden !== 0) throw vhdError("EROFS", `${path14} is hidden: others may depend on it`);
  checkTables(layer);
}
function checkTables({ image, table, batmap }) {
  if (image.footer.hasBatmap && batmap === void 0) throw vhdError("EINVAL", `${image.path}: invalid batmap`);
  const start3 = image.endOfMetadata(batmap);
  const bitmapLength = bitmapBytes(image.header.blockSize);
  for (const { block, sector } of table.allocated()) {
    const offset = sector * SECTOR_SIZE;
    if (offset < start3 || offset + bitmapLength > image.storage.size) {
      throw vhdError("EINVAL", `${image.path}: block ${block} lies outside the data`);
    }
  }
  const overlapping = new Overlaps(table, image.blockSpan).first();
  if (overlapping !== void 0) throw vhdError("EINVAL", `${image.path}: block ${overlapping} overlaps another one`);
}
var init_checkWritable = __esm({
  "lib/vhd/checkWritable.ts"() {
    "use strict";
    init_errors();
    init_layout();
    init_Overlaps();
  }
});

// lib/vhd/RangeLock.ts
var RangeLock;
var init_RangeLock = __esm({
  "lib/vhd/RangeLock.ts"() {
    "use strict";
    RangeLock = class {
      #held = /* @__PURE__ */ new Set();
      async run(first, end3, task2) {
        const earlier = [...this.#held].filter((other) => other.first < end3 && first < other.end);
        let release = () => void 0;
        const done = new Promise((resolve) => {
          release = resolve;
        });
        const mine = { first, end: end3, done };
        this.#held.add(mine);
        try {
          if (earlier.length > 0) await Promise.all(earlier.map((other) => other.done));
          return await task2();
        } finally {
          this.#held.delete(mine);
          release();
        }
      }
    };
  }
});

// lib/vhd/VhdLeafWriter.ts
function wholeSectors(position, length) {
  return { first: Math.ceil(position / SECTOR_SIZE), end: Math.floor((position + length) / SECTOR_SIZE) };
}
var MAX_PENDING2, VhdLeafWriter;
var init_VhdLeafWriter = __esm({
  "lib/vhd/VhdLeafWriter.ts"() {
    "use strict";
    init_BlockWriter();
    init_checkWritable();
    init_DiskImage();
    init_errors();
    init_layout();
    init_Payload();
    init_RangeLock();
    init_VhdChain();
    MAX_PENDING2 = 64;
    VhdLeafWriter = class _VhdLeafWriter {
      #chain;
      #leaf;
      #blocks;
      #changes = new RangeLock();
      #pendingLimit;
      constructor(chain, leaf, writeThrough) {
        this.#chain = chain;
        this.#leaf = leaf;
        this.#blocks = new BlockWriter(leaf);
        this.#pendingLimit = writeThrough ? 1 : MAX_PENDING2;
      }
      /** Opens a chain, its leaf for writing. Throws as `VhdChain.open`, EROFS for a hidden leaf, EINVAL for a damaged one. */
      static async open(files, path14, options = {}) {
        const chain = await VhdChain.open(files, path14, { ...options, write: true });
        try {
          const { leaf } = chain;
          if (leaf === void 0) throw vhdError("ENOSYS", `${path14} is a fixed disk`);
          checkWritable(leaf);
          return new _VhdLeafWriter(chain, leaf, options.writeThrough === true);
        } catch (error) {
          await chain.close();
          throw error;
        }
      }
      get virtualSize() {
        return this.#chain.virtualSize;
      }
      get images() {
        return this.#chain.images;
      }
      async read(position, length) {
        return this.#chain.read(position, length);
      }
      allocatedRanges() {
        return this.#chain.allocatedRanges();
      }
      status(position, length) {
        return this.#chain.status(position, length);
      }
      async write(position, bytes) {
        await this.#change(position, bytes.length, async () => {
          await this.#blocks.write(Math.floor(position / SECTOR_SIZE), await this.#align(position, bytes));
        });
      }
      /** What reads as zeroes through the whole chain stays as it is unless `allocate` is asked for (spec datapath 14.2, 10). */
      async writeZeroes(position, length, options = {}) {
        await this.#change(position, length, () => this.#writeZeroes(position, length, options.allocate === true));
      }
      /** Only whole sectors that the leaf itself holds are given back; the images below are not ours to change. */
      async trim(position, length) {
        await this.#change(position, length, async () => {
          const { first, end: end3 } = wholeSectors(position, length);
          if (first < end3) await this.#blocks.discard(first, end3);
        });
      }
      async flush() {
        await this.#run(() => this.#blocks.flush());
      }
      /** Flushes, writes batmap and footers if anything was written, closes all files whatever happens. */
      async close() {
        await this.#run(() => this.#blocks.finish().finally(() => this.#chain.close()));
      }
      /** Whole sectors: the rest of the first and the last one is read through the chain. */
      async #align(position, bytes) {
        const before = position % SECTOR_SIZE;
        const end3 = position + bytes.length;
        const after = Math.ceil(end3 / SECTOR_SIZE) * SECTOR_SIZE - end3;
        if (before === 0 && after === 0) return bytes;
        return Buffer.concat([await this.#chain.read(position - before, before), bytes, await this.#chain.read(end3, after)]);
      }
      async #writeZeroes(position, length, allocate) {
        const { first, end: end3 } = wholeSectors(position, length);
        if (first >= end3)
          return this.#blocks.write(Math.floor(position / SECTOR_SIZE), await this.#alignedZeroes(position, length));
        const head = first * SECTOR_SIZE - position;
        const tail = position + length - end3 * SECTOR_SIZE;
        if (head > 0) await this.#blocks.write(first - 1, await this.#alignedZeroes(position, head));
        for (const part of this.#parts(first, end3)) {
          if (allocate || await this.#isHeld(part)) {
            await this.#blocks.put(part.first, zeroPayload((part.end - part.first) * SECTOR_SIZE, allocate));
          }
        }
        if (tail > 0) await this.#blocks.write(end3, await this.#alignedZeroes(end3 * SECTOR_SIZE, tail));
      }
      async #alignedZeroes(position, length) {
        return this.#align(position, Buffer.alloc(length));
      }
      /** Parts of `[first, end)` within one block each. */
      *#parts(first, end3) {
        const { sectorsPerBlock } = this.#leaf;
        for (let at = first; at < end3; ) {
          const stop = Math.min(end3, (Math.floor(at / sectorsPerBlock) + 1) * sectorsPerBlock);
          yield { first: at, end: stop };
          at = stop;
        }
      }
      async #isHeld({ first, end: end3 }) {
        return (await this.#chain.locate(first, end3)).some((run) => run.source !== void 0);
      }
      /** Runs a change when no other one of the same sectors is under way, then makes tables durable where too many wait. */
      async #change(position, length, change3) {
        requireRange(this, position, length);
        if (length === 0) return;
        const first = Math.floor(position / SECTOR_SIZE);
        const end3 = Math.ceil((position + length) / SECTOR_SIZE);
        await this.#run(async () => {
          await this.#changes.run(first, end3, change3);
          if (this.#blocks.pending >= this.#pendingLimit) await this.#blocks.flush();
        });
      }
      async #run(task2) {
        await asVhdError(this.images[0] ?? "", task2);
      }
    };
  }
});

// lib/vhd/openImage.ts
var openImage_exports = {};
__export(openImage_exports, {
  openFixedOrChain: () => openFixedOrChain,
  openImage: () => openImage
});
import path7 from "node:path";
async function openImage(files, file, options = {}) {
  const write2 = options.write === true;
  const extension = path7.extname(file);
  if (extension === ".raw") {
    return asVhdError(file, async () => openRaw(files, await canonicalPath({ files, ...options }, file), write2));
  }
  if (extension !== ".vhd") throw vhdError("EINVAL", `${file} is neither .vhd nor .raw`);
  if (!write2) return VhdChain.open(files, file, options);
  return openFixedOrChain(files, file, options);
}
async function openFixedOrChain(files, file, options) {
  return await openFixed(files, file, options) ?? VhdLeafWriter.open(files, file, options);
}
async function openFixed(files, file, options) {
  return asVhdError(file, async () => {
    const image = await openVhd(files, await canonicalPath({ files, ...options }, file), { write: true });
    if (image.isFixed && image.footer.hidden === 0) return new RawImage(image.storage, image.virtualSize);
    await image.close();
    if (image.footer.hidden !== 0) throw vhdError("EROFS", `${file} is hidden: others may depend on it`);
    return void 0;
  });
}
var init_openImage = __esm({
  "lib/vhd/openImage.ts"() {
    "use strict";
    init_errors();
    init_parents();
    init_RawImage();
    init_VhdChain();
    init_VhdImage();
    init_VhdLeafWriter();
  }
});

// lib/toolstack/storage/xml-tree.ts
var xml_tree_exports = {};
__export(xml_tree_exports, {
  parseXmlTree: () => parseXmlTree
});
import { Parser as Parser3 } from "xml2js/lib/parser.js";
function parseXmlTree(document) {
  const text3 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(document);
  if (/^\s+<\?xml/.test(text3)) throw new Error("the XML declaration is not at the start");
  const roots = [];
  const failures = [];
  const parser = new Parser3({
    explicitRoot: false,
    explicitChildren: true,
    preserveChildrenOrder: true,
    charsAsChildren: true,
    includeWhiteChars: true,
    attrkey: "$",
    childkey: "$$",
    charkey: "#text"
  });
  parser.on("end", (root3) => roots.push(root3));
  parser.on("error", (failure3) => failures.push(failure3));
  parser.parseString(text3);
  const [failure2] = failures;
  if (failure2 !== void 0) throw failure2 instanceof Error ? failure2 : new Error("not well-formed XML");
  const [root2] = roots;
  if (roots.length !== 1 || !isNode(root2)) throw new Error("the document has not one root element");
  return toNode(root2);
}
function isNode(value) {
  return typeof value === "object" && value !== null && "#name" in value;
}
function toNode(parsed) {
  const children = parsed.$$ ?? [];
  const texts = children.filter((child) => child["#name"] === "__text__").map((child) => child["#text"] ?? "");
  return {
    name: parsed["#name"],
    hasAttributes: parsed.$ !== void 0,
    children: children.filter((child) => child["#name"] !== "__text__").map(toNode),
    text: texts.filter((text3) => !isBlank(text3)).join("")
  };
}
function isBlank(text3) {
  return /^[\n\t ]*$/.test(text3);
}
var init_xml_tree = __esm({
  "lib/toolstack/storage/xml-tree.ts"() {
    "use strict";
  }
});

// lib/os/paths.ts
import path from "node:path";
var Paths = class {
  root;
  constructor(root2 = process.env["SM_ROOT"] ?? "/") {
    this.root = path.resolve(root2);
  }
  /** `/run/sr-mount`: SRs are mounted at `<it>/<sr uuid>`. */
  get srMountBase() {
    return this.#under("run/sr-mount");
  }
  srMount(srUuid2) {
    return path.join(this.srMountBase, srUuid2);
  }
  /** `/var/lock/sm`: lock files at `<it>/<namespace>/<name>`. */
  get lockBase() {
    return this.#under("var/lock/sm");
  }
  /** `/run/sm`: refcounts and IPC flags. */
  get runtime() {
    return this.#under("run/sm");
  }
  /** `/run/sr-ref`: which SRs use an iSCSI target, one file for each IQN. */
  get srReferences() {
    return this.#under("run/sr-ref");
  }
  /** `/run/fairlock/devicemapper`: the socket of the host-wide lock around LVM and dmsetup. */
  get deviceMapperLock() {
    return this.#under("run/fairlock/devicemapper");
  }
  /** `/run/blktap-control/nbd`: the links that `params_nbd` names. */
  get nbdLinks() {
    return this.#under("run/blktap-control/nbd");
  }
  /** `/dev/sm/phy`: links from a VDI to its image. */
  get devPhy() {
    return this.#under("dev/sm/phy");
  }
  /** `/dev/shm/mpath_status`: how many paths of each multipathed disk work. */
  get multipathStatus() {
    return this.#under("dev/shm/mpath_status");
  }
  get inventory() {
    return this.#under("etc/xensource-inventory");
  }
  /** The unix socket of xapi. */
  get xapiSocket() {
    return this.#under("var/lib/xcp/xapi");
  }
  /** State of the toolstack in the box. */
  get toolstackState() {
    return this.#under("var/lib/sm");
  }
  /** Whether this is a real host's own tree and not one moved by `$SM_ROOT`. */
  get isHost() {
    return this.root === "/";
  }
  #under(relative) {
    return path.join(this.root, relative);
  }
};

// lib/os/system.ts
init_effects();
init_files();
import { randomUUID } from "node:crypto";

// lib/os/strerror.ts
import { getSystemErrorMap } from "node:util";
var C_LIBRARY_TEXTS = /* @__PURE__ */ new Map([
  ["EIO", "Input/output error"],
  ["ENOMEM", "Cannot allocate memory"],
  ["EBUSY", "Device or resource busy"],
  ["EEXIST", "File exists"],
  ["EISDIR", "Is a directory"],
  ["EXDEV", "Invalid cross-device link"],
  ["ERANGE", "Numerical result out of range"]
]);
function strerror(errno) {
  const entry = getSystemErrorMap().get(-errno);
  if (entry === void 0) return void 0;
  const [name, text3] = entry;
  return C_LIBRARY_TEXTS.get(name) ?? text3.charAt(0).toUpperCase() + text3.slice(1);
}

// lib/os/run.ts
var CommandError = class extends Error {
  argv;
  /** Exit code of the command; by convention of the SM tools an errno number. 127 when it could not be started. */
  exitCode;
  stderr;
  constructor(argv, exitCode, stderr, reason) {
    const words = argv.map((word) => `'${word}'`).join(", ");
    super(`Command [${words}] failed (${reason.trim()}): ${strerror(exitCode) ?? `exit code ${exitCode}`}`);
    this.name = "CommandError";
    this.argv = argv;
    this.exitCode = exitCode;
    this.stderr = stderr;
  }
};
function makeRun(effects) {
  return async (argv, options = {}) => {
    const shown = options.shownAs ?? argv;
    if (options.changes !== false) effects.before("process", shown.join(" "));
    const { execa } = await import("execa");
    const [file, ...args] = argv;
    const result = await execa(file, args, {
      reject: false,
      stripFinalNewline: false,
      env: { LC_ALL: "C", ...options.env },
      ...options.cwd === void 0 ? {} : { cwd: options.cwd },
      ...options.input === void 0 ? { stdin: "ignore" } : { input: options.input }
    });
    const exitCode = result.exitCode ?? 127;
    if (options.anyExitCode !== true && !(options.okExitCodes ?? [0]).includes(exitCode)) {
      const said = result.stderr !== "" ? result.stderr : result.stdout;
      const why = options.shownAs === void 0 ? result.shortMessage : result.code;
      throw new CommandError(shown, exitCode, result.stderr, said !== "" ? said : why ?? "");
    }
    return { exitCode, stdout: result.stdout, stderr: result.stderr };
  };
}

// lib/os/system.ts
function makeSystem(effects = new Effects()) {
  return { effects, files: new Files(effects), run: makeRun(effects), newUuid: randomUUID, now: Date.now };
}

// lib/toolstack/toolstack.ts
import path13 from "node:path";

// lib/os/log.ts
import { appendFileSync as appendFileSync2 } from "node:fs";

// lib/os/syslog.ts
init_libc();
var PRIORITIES = { error: 3, warn: 4, info: 6, debug: 7 };
var LOG_LOCAL2 = 18 << 3;
var MAX_PENDING = 1e4;
var Syslog = class {
  #ident;
  #sink;
  #opening;
  #pending = [];
  constructor(ident) {
    this.#ident = Buffer.from(`${ident}\0`);
  }
  send(priority, line) {
    if (this.#sink !== void 0) {
      this.#sink(priority, line);
      return;
    }
    if (this.#pending.length < MAX_PENDING) this.#pending.push({ priority, line });
    this.#opening ??= this.#open();
  }
  /** Resolves when every line so far has been handed over. */
  async flush() {
    await this.#opening;
  }
  async #open() {
    const sink = await openSink(this.#ident);
    for (const { priority, line } of this.#pending) sink(priority, line);
    this.#pending = [];
    this.#sink = sink;
  }
};
async function openSink(ident) {
  try {
    const libc = await loadLibc();
    libc.openlog(ident, 0, LOG_LOCAL2);
    return libc.syslog;
  } catch {
    return () => void 0;
  }
}

// lib/os/log.ts
var MAX_LINE = 8e3;
function makeLogger(options = {}) {
  const ident = options.ident ?? "SM";
  const sink = makeSink(ident, "spec" in options ? options.spec : process.env["SM_LOG"]);
  const log = (level) => (text3) => {
    for (const line of text3.split("\n")) {
      if (line.trim() !== "") sink.write(level, `[${process.pid}] ${printable(line)}`);
    }
  };
  return { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error"), flush: () => sink.flush() };
}
function makeSink(ident, spec) {
  switch (spec) {
    case void 0:
    case "":
      return syslogSink(ident);
    case "none":
      return { write: () => void 0, flush: nothingToFlush };
    case "stderr":
      return { write: (level, line) => void process.stderr.write(dated(ident, level, line)), flush: nothingToFlush };
    default:
      return fileSink(ident, spec);
  }
}
function syslogSink(ident) {
  const syslog = new Syslog(ident);
  return {
    write: (level, line) => {
      syslog.send(PRIORITIES[level], line);
    },
    flush: () => syslog.flush()
  };
}
function fileSink(ident, path14) {
  let broken = false;
  return {
    write: (level, line) => {
      if (broken) return;
      try {
        appendFileSync2(path14, dated(ident, level, line), { mode: 384 });
      } catch (error) {
        broken = true;
        process.stderr.write(`cannot log to ${path14}: ${String(error)}
`);
      }
    },
    flush: nothingToFlush
  };
}
function nothingToFlush() {
  return Promise.resolve();
}
function dated(ident, level, line) {
  return `${(/* @__PURE__ */ new Date()).toISOString()} ${ident} ${level}: ${line}
`;
}
function printable(line) {
  const safe = line.replace(/[\p{Cc}]/gu, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`);
  return safe.length > MAX_LINE ? `${safe.slice(0, MAX_LINE)}\u2026` : safe;
}

// lib/xapi/protocol.ts
function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
function isStrings(value) {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

// lib/toolstack/http/json-endpoint.ts
init_XapiClient();
init_types();
var jsonContentType = "application/json";
async function answerJson(body, answer) {
  const request = parse(body);
  if (request === void 0)
    return JSON.stringify(failure({ id: null, isVersion2: true }, ["INTERNAL_ERROR", "not JSON-RPC"]));
  try {
    const { value } = await answer(request.method, request.params);
    const result = plain(value);
    const { id, isVersion2 } = request;
    return JSON.stringify(isVersion2 ? { jsonrpc: "2.0", result, id } : { result, error: null, id });
  } catch (error) {
    if (!(error instanceof XapiError)) throw error;
    return JSON.stringify(failure(request, [error.code, ...error.params]));
  }
}
function parse(body) {
  const document = parseJson(body);
  if (!isObject(document)) return void 0;
  const { method: method2, params = [], id = null, jsonrpc } = document;
  if (typeof method2 !== "string" || !Array.isArray(params)) return void 0;
  return { method: method2, params, id, isVersion2: jsonrpc === "2.0" };
}
function parseJson(body) {
  try {
    return JSON.parse(body);
  } catch (error) {
    if (error instanceof SyntaxError) return void 0;
    throw error;
  }
}
function failure({ id, isVersion2 }, [code, ...data]) {
  if (!isVersion2) return { result: null, error: [code, ...data], id };
  return { jsonrpc: "2.0", error: { code: 1, message: code, data }, id };
}
function plain(value) {
  if (value === void 0) return "";
  if (value instanceof Typed) return plain(value.value);
  if (Array.isArray(value)) return value.map(plain);
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, plain(item)]));
}

// lib/toolstack/http/pages.ts
init_files();
import path3 from "node:path";
var pages = /* @__PURE__ */ new Map([
  ["/", ["index.html", "text/html; charset=utf-8"]],
  ["/page.css", ["page.css", "text/css; charset=utf-8"]],
  ["/page.js", ["page.js", "text/javascript; charset=utf-8"]]
]);
var pageHeaders = {
  "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "X-Frame-Options": "DENY",
  "Cache-Control": "no-store"
};
function pagesIn(files, directory) {
  return async (urlPath) => {
    const [file, contentType] = pages.get(urlPath) ?? [];
    if (file === void 0 || contentType === void 0) return void 0;
    try {
      return { contentType, body: await files.readText(path3.join(directory, file)) };
    } catch (error) {
      if (isErrno(error, "ENOENT")) return void 0;
      throw error;
    }
  };
}

// lib/os/socket-path.ts
import * as fs3 from "node:fs";
import path4 from "node:path";
var maxSocketPathBytes = 107;
function reachableSocket(socketPath) {
  if (Buffer.byteLength(socketPath) <= maxSocketPathBytes) return { path: socketPath, release: () => void 0 };
  const directory = fs3.openSync(path4.dirname(socketPath), fs3.constants.O_RDONLY | fs3.constants.O_DIRECTORY);
  return {
    path: `/proc/self/fd/${directory}/${path4.basename(socketPath)}`,
    release: once(() => {
      fs3.closeSync(directory);
    })
  };
}
function once(action) {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    action();
  };
}

// lib/toolstack/http/Server.ts
init_answering();
var commonHeaders = { "Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "X-Requested-With" };
var Server = class _Server {
  #server;
  #release;
  constructor(server, release) {
    this.#server = server;
    this.#release = release;
  }
  /** Throws the system's error where the address cannot be had. */
  static async listen(listener, answerFor, findPage) {
    const { createServer } = await import("node:http");
    const transport = "socketPath" in listener ? "local" : "tcp";
    const server = createServer((request, response) => {
      const site = { answerFor: (subtaskOf) => answerFor({ transport, subtaskOf }), findPage };
      serve(request, response, site).catch((error) => {
        response.destroy(error instanceof Error ? error : void 0);
      });
    });
    const socket = "socketPath" in listener ? reachableSocket(listener.socketPath) : void 0;
    try {
      await start(server, socket === void 0 ? listener : { path: socket.path });
    } catch (error) {
      socket?.release();
      throw error;
    }
    return new _Server(server, () => socket?.release());
  }
  /** The port of a TCP listener. */
  get port() {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : void 0;
  }
  /** Cuts the connections. */
  async close() {
    await new Promise((resolve, reject) => {
      this.#server.close((error) => {
        if (error === void 0) resolve();
        else reject(error);
      });
      this.#server.closeAllConnections();
    });
    this.#release();
  }
};
function start(server, address) {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    const umask = process.umask(127);
    server.listen(address, () => {
      server.off("error", reject);
      resolve();
    });
    process.umask(umask);
  });
}
async function serve(request, response, { answerFor, findPage }) {
  if (request.method === "OPTIONS") {
    end(response, 200, "text/plain", "");
    return;
  }
  const path14 = new URL(request.url ?? "/", "http://localhost").pathname;
  if (request.method !== "POST") {
    servePage(request.method, response, await findPage?.(path14));
    return;
  }
  const body = await readBody(request);
  if (body === void 0) {
    end(response, 413, "text/plain", "");
    return;
  }
  const answer = answerFor(headerOf(request, "subtask-of"));
  if (path14 === "/jsonrpc") {
    end(response, 200, jsonContentType, await answerJson(body, answer));
    return;
  }
  const { answerXml: answerXml2, xmlContentType: xmlContentType2 } = await Promise.resolve().then(() => (init_xml_endpoint(), xml_endpoint_exports));
  end(response, 200, xmlContentType2, await answerXml2(body, answer));
}
function servePage(method2, response, page) {
  if (page === void 0 || method2 !== "GET") {
    end(response, 405, "text/plain", "");
    return;
  }
  for (const [name, value] of Object.entries(pageHeaders)) response.setHeader(name, value);
  end(response, 200, page.contentType, page.body);
}
async function readBody(request) {
  const chunks = [];
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    if (length > maxBodyBytes) return void 0;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
function headerOf(request, name) {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}
function end(response, status, contentType, body) {
  const content2 = Buffer.from(body);
  response.writeHead(status, { ...commonHeaders, "Content-Type": contentType, "Content-Length": content2.length });
  response.end(content2);
}

// lib/toolstack/storage/errors.ts
var BackendError = class extends Error {
  code;
  params;
  constructor(code, params) {
    super(params.length === 0 ? code : `${code}: ${params.join(", ")}`);
    this.name = "BackendError";
    this.code = code;
    this.params = params;
  }
};
var Unimplemented = class extends Error {
  operation;
  constructor(operation) {
    super(`the driver does not offer ${operation}`);
    this.name = "Unimplemented";
    this.operation = operation;
  }
};
var VdiDoesNotExist = class extends Error {
  vdi;
  constructor(vdi) {
    super(`no disk ${vdi}`);
    this.name = "VdiDoesNotExist";
    this.vdi = vdi;
  }
};
var SrNotAttached = class extends Error {
  sr;
  constructor(sr2) {
    super(`SR ${sr2} is not attached`);
    this.name = "SrNotAttached";
    this.sr = sr2;
  }
};

// lib/toolstack/disks/DiskCopier.ts
var lockWaitMs = 6e4;
var fileTypes = /* @__PURE__ */ new Set(["file", "ext", "nfs"]);
var DiskCopier = class {
  #environment;
  constructor(environment) {
    this.#environment = environment;
  }
  /** Makes the beginning of `to` read as `from`. Throws BackendError, Unimplemented, VhdError, SmError LockErr. */
  async copy(dbg2, from, to) {
    const locked = [...new Set([from, to].filter(({ type }) => fileTypes.has(type)).map(({ sr: sr2 }) => sr2))];
    await this.#locking(
      locked,
      () => this.#reading(
        dbg2,
        from,
        (source) => this.#writing(dbg2, to, async (target) => {
          const { copyDisk: copyDisk2 } = await Promise.resolve().then(() => (init_copyDisk(), copyDisk_exports));
          await copyDisk2(source, target);
        })
      )
    );
  }
  /** In one order, so that two copies never wait for each other. */
  async #locking(srs, body) {
    const { LockManager: LockManager2 } = await Promise.resolve().then(() => (init_Lock(), Lock_exports));
    const { paths, system } = this.#environment;
    const locks = new LockManager2(paths, system.effects);
    try {
      for (const sr2 of [...srs].sort()) await locks.lock(sr2, "sr", { timeoutMs: lockWaitMs });
      await body();
    } finally {
      await locks.releaseAll();
    }
  }
  async #reading(dbg2, end3, body) {
    const { files } = this.#environment.system;
    if (fileTypes.has(end3.type)) {
      const { openImage: openImage2 } = await Promise.resolve().then(() => (init_openImage(), openImage_exports));
      const { file, boundary } = this.#imageOf(end3);
      await closing(await openImage2(files, file, { boundary }), body);
      return;
    }
    const { openRaw: openRaw2 } = await Promise.resolve().then(() => (init_RawImage(), RawImage_exports));
    await this.#attached(dbg2, { end: end3, write: false }, async (device) => closing(await openRaw2(files, device, false), body));
  }
  async #writing(dbg2, end3, body) {
    const { files } = this.#environment.system;
    if (fileTypes.has(end3.type)) {
      const { openImage: openImage2 } = await Promise.resolve().then(() => (init_openImage(), openImage_exports));
      const { file, boundary } = this.#imageOf(end3);
      await closing(await openImage2(files, file, { boundary, write: true }), body);
      return;
    }
    const { openRaw: openRaw2 } = await Promise.resolve().then(() => (init_RawImage(), RawImage_exports));
    await this.#attached(dbg2, { end: end3, write: true }, async (device) => closing(await openRaw2(files, device, true), body));
  }
  #imageOf({ sr: sr2, uuid }) {
    const boundary = this.#environment.paths.srMount(sr2);
    return { file: `${boundary}/${uuid}.vhd`, boundary };
  }
  /** Whatever happened, a disk that was attached is detached. */
  async #attached(dbg2, { end: end3, write: write2 }, body) {
    const { VDI: VDI2 } = this.#environment.storage;
    const { params } = await VDI2.attach2(dbg2, end3, write2);
    try {
      await VDI2.activate(dbg2, end3, write2);
      try {
        if (params === void 0) throw noDevice(end3);
        await body(params);
      } finally {
        await VDI2.deactivate(dbg2, end3);
      }
    } finally {
      await VDI2.detach(dbg2, end3);
    }
  }
};
async function closing(image, body) {
  try {
    await body(image);
  } finally {
    await image.close();
  }
}
function noDevice({ uuid }) {
  return new BackendError("SR_BACKEND_FAILURE", ["", `the driver gives no device for disk ${uuid}`, ""]);
}

// lib/toolstack/boot.ts
init_files();
init_field();
async function readBoot(files) {
  try {
    return (await files.readText("/proc/sys/kernel/random/boot_id")).trim();
  } catch (error) {
    if (isErrno(error, "ENOENT")) return "";
    throw error;
  }
}
function forgetReservations(store) {
  for (const vbd of store.refs("VBD")) {
    if (store.get("VBD", vbd).reserved) store.update("VBD", vbd, { reserved: false });
  }
}
function resetAfterReboot(store) {
  for (const vm2 of store.refs("VM")) {
    const { is_control_domain: isControlDomain, power_state: state } = store.get("VM", vm2);
    if (isControlDomain || state === "Halted" || state === "Suspended") continue;
    store.update("VM", vm2, { power_state: "Halted", resident_on: nullRef });
    for (const vbd of store.where("VBD", "VM", vm2)) store.update("VBD", vbd, { currently_attached: false });
  }
  const plugged = store.refs("PBD").filter((pbd) => store.get("PBD", pbd).currently_attached);
  for (const pbd of plugged) store.update("PBD", pbd, { currently_attached: false });
  return plugged;
}

// lib/toolstack/Dispatcher.ts
init_XapiClient();

// lib/toolstack/api/arguments.ts
init_XapiClient();
init_field();
function readArgument(name, value, type) {
  const argument = converters[type](value);
  if (argument === void 0) throw new XapiError("FIELD_TYPE_ERROR", [name]);
  return argument;
}
function readMember(struct2, name, type, fallback) {
  const value = Object.hasOwn(struct2, name) ? struct2[name] : void 0;
  return value === void 0 && fallback !== void 0 ? fallback : readArgument(name, value, type);
}
var converters = {
  string: text2,
  datetime: text2,
  ref: (value) => value === "" ? nullRef : text2(value),
  int: integer,
  float: (value) => typeof value === "string" && value.trim() !== "" ? finite(Number(value)) : finite(value),
  bool: (value) => typeof value === "boolean" ? value : void 0,
  strings: list,
  refs: list,
  map: (value) => mapOf(value, text2),
  intMap: (value) => mapOf(value, integer),
  struct: (value) => isObject(value) ? value : void 0
};
function text2(value) {
  return typeof value === "string" ? value : void 0;
}
function integer(value) {
  const number = typeof value === "string" && /^-?\d+$/.test(value) ? Number(value) : value;
  return Number.isSafeInteger(number) ? number : void 0;
}
function finite(value) {
  return typeof value === "number" && Number.isFinite(value) ? value : void 0;
}
function list(value) {
  return Array.isArray(value) && value.every((item) => typeof item === "string") ? value : void 0;
}
function mapOf(value, convert) {
  if (!isObject(value)) return void 0;
  const entries = Object.entries(value).map(([key, item]) => [key, convert(item)]);
  if (entries.some(([, item]) => item === void 0)) return void 0;
  return Object.fromEntries(entries);
}

// lib/toolstack/api/accessors.ts
init_XapiClient();

// lib/toolstack/rules-vm.ts
init_XapiClient();

// lib/toolstack/refusals.ts
init_XapiClient();
function inProgress(className, ref, [task2, operation]) {
  return new XapiError("OTHER_OPERATION_IN_PROGRESS", [className, ref, operation, task2]);
}
function isAllowed(check) {
  try {
    check();
    return true;
  } catch (error) {
    if (error instanceof XapiError) return false;
    throw error;
  }
}

// lib/toolstack/rules-vm.ts
var powerStates = /* @__PURE__ */ new Map([
  ["start", ["Halted"]],
  ["clean_shutdown", ["Running"]],
  ["clean_reboot", ["Running"]],
  ["hard_shutdown", ["Running", "Paused", "Suspended"]],
  ["hard_reboot", ["Running", "Paused"]],
  ["pause", ["Running"]],
  ["unpause", ["Paused"]],
  ["suspend", ["Running"]],
  ["resume", ["Suspended"]],
  ["checkpoint", ["Running", "Suspended"]],
  ["clone", ["Halted", "Suspended"]],
  ["destroy", ["Halted"]]
]);
var templateOperations = /* @__PURE__ */ new Set(["clone", "destroy", "revert"]);
var operations = [
  ...["snapshot", "clone", "revert", "checkpoint", "start", "pause", "unpause", "clean_shutdown", "clean_reboot"],
  ...["hard_shutdown", "hard_reboot", "suspend", "resume", "destroy"]
];
function checkVmOperation(store, ref, operation) {
  const vm2 = store.get("VM", ref);
  requireGuest(vm2, ref, operation);
  const [conflict] = Object.entries(vm2.current_operations);
  if (conflict !== void 0) throw inProgress("VM", ref, conflict);
  requireKind(vm2, ref, operation);
  requirePowerState(vm2, ref, operation);
}
function allowedVmOperations(store, ref) {
  return operations.filter(
    (operation) => isAllowed(() => {
      checkVmOperation(store, ref, operation);
    })
  );
}
function requireGuest(vm2, ref, operation) {
  if (vm2.is_control_domain) throw new XapiError("OPERATION_NOT_ALLOWED", ["This is the control domain"]);
  const reason = Object.hasOwn(vm2.blocked_operations, operation) ? vm2.blocked_operations[operation] : void 0;
  if (reason !== void 0) throw new XapiError("OPERATION_BLOCKED", [ref, reason]);
}
function requireKind(vm2, ref, operation) {
  if (operation === "revert" && !vm2.is_a_snapshot) throw new XapiError("REVERT_ONLY_ALLOWED_ON_SNAPSHOT", []);
  if (!vm2.is_a_template || templateOperations.has(operation)) return;
  throw vm2.is_a_snapshot ? new XapiError("VM_IS_SNAPSHOT", [ref, operation]) : new XapiError("VM_IS_TEMPLATE", [ref, operation]);
}
function requirePowerState(vm2, ref, operation) {
  const allowed = powerStates.get(operation);
  if (allowed === void 0 || allowed.includes(vm2.power_state)) return;
  if (vm2.is_a_snapshot && templateOperations.has(operation)) return;
  const [expected = ""] = allowed;
  throw new XapiError("VM_BAD_POWER_STATE", [ref, expected.toLowerCase(), vm2.power_state.toLowerCase()]);
}

// lib/toolstack/rules.ts
init_XapiClient();
var cbtOperations = ["enable_cbt", "disable_cbt", "data_destroy", "list_changed_blocks"];
var srFeatures = new Map([
  ["vdi_create", "VDI_CREATE"],
  ["vdi_destroy", "VDI_DELETE"],
  ["vdi_resize", "VDI_RESIZE"],
  ["vdi_introduce", "VDI_INTRODUCE"],
  ["vdi_snapshot", "VDI_SNAPSHOT"],
  ["vdi_revert", "VDI_REVERT"],
  ["vdi_mirror", "VDI_MIRROR"],
  ["update", "SR_UPDATE"],
  ["vdi_set_on_boot", "VDI_RESET_ON_BOOT"],
  ...cbtOperations.map((name) => [`vdi_${name}`, "VDI_CONFIG_CBT"])
]);
var vdiFeatures = new Map([
  ["snapshot", "VDI_SNAPSHOT"],
  ["destroy", "VDI_DELETE"],
  ["resize", "VDI_RESIZE"],
  ["resize_online", "VDI_RESIZE_ONLINE"],
  ["clone", "VDI_CLONE"],
  ["revert_to", "VDI_CLONE"],
  ["revert_from", "VDI_CLONE"],
  ["update", "VDI_UPDATE"],
  ["generate_config", "VDI_GENERATE_CONFIG"],
  ["set_on_boot", "VDI_RESET_ON_BOOT"],
  ...cbtOperations.map((name) => [name, "VDI_CONFIG_CBT"])
]);
var attachedOperations = /* @__PURE__ */ new Set([
  ...["snapshot", "clone", "resize_online", "revert_to", "mirror", "enable_cbt", "disable_cbt", "data_destroy"],
  "blocked"
]);
var notOnCbtMetadata = /* @__PURE__ */ new Set([
  ...["clone", "copy", "resize", "resize_online", "snapshot", "revert_to", "revert_from", "set_on_boot"],
  ...["enable_cbt", "disable_cbt"]
]);
var srOperations = [
  ...["scan", "destroy", "forget", "plug", "unplug", "vdi_create", "vdi_destroy", "vdi_resize", "vdi_clone"],
  ...["vdi_snapshot", "vdi_mirror", "vdi_enable_cbt", "vdi_disable_cbt", "vdi_data_destroy"],
  ...["vdi_list_changed_blocks", "vdi_set_on_boot", "vdi_introduce", "vdi_revert", "update"],
  ...["pbd_create", "pbd_destroy"]
];
var vdiOperations = [
  ...["clone", "copy", "resize", "resize_online", "snapshot", "destroy", "forget", "update", "generate_config"]
];
function checkSrOperation(store, ref, operation) {
  const sr2 = store.get("SR", ref);
  requireFeature(store, ref, srFeatures.get(operation));
  const [conflict] = Object.entries(sr2.current_operations).filter(([, current]) => current !== "plug");
  if (conflict !== void 0) throw inProgress("SR", ref, conflict);
  if (operation === "destroy" || operation === "forget") requireUnplugged(store, ref);
  if (operation === "destroy") requireEmpty(store, ref);
}
function checkVdiOperation(store, ref, operation) {
  const vdi = store.get("VDI", ref);
  requireFeature(store, vdi.SR, vdiFeatures.get(operation));
  const [conflict] = Object.entries(vdi.current_operations).filter(([, current]) => current !== "copy");
  if (conflict !== void 0) throw inProgress("VDI", ref, conflict);
  requireDetached(store, ref, operation);
  requireKind2(vdi, ref, operation);
}
function allowedSrOperations(store, ref) {
  return srOperations.filter(
    (operation) => isAllowed(() => {
      checkSrOperation(store, ref, operation);
    })
  );
}
function allowedVdiOperations(store, ref) {
  return vdiOperations.filter(
    (operation) => isAllowed(() => {
      checkVdiOperation(store, ref, operation);
    })
  );
}
function featuresOf(store, sr2) {
  const [sm] = store.where("SM", "type", store.get("SR", sr2).type);
  return sm === void 0 ? {} : store.get("SM", sm).features;
}
function requireFeature(store, sr2, feature) {
  if (feature !== void 0 && !Object.hasOwn(featuresOf(store, sr2), feature)) {
    throw new XapiError("SR_OPERATION_NOT_SUPPORTED", [sr2]);
  }
}
function requireUnplugged(store, sr2) {
  if (store.where("PBD", "SR", sr2).some((pbd) => store.get("PBD", pbd).currently_attached)) {
    throw new XapiError("SR_HAS_PBD", [sr2]);
  }
}
function requireEmpty(store, sr2) {
  if (store.where("PBD", "SR", sr2).length === 0) throw new XapiError("SR_HAS_NO_PBDS", [sr2]);
  const disks = store.where("VDI", "SR", sr2).map((vdi) => store.get("VDI", vdi));
  if (disks.some(({ managed, type }) => managed && type !== "rrd")) throw new XapiError("SR_NOT_EMPTY", []);
}
function requireDetached(store, vdi, operation) {
  const active = store.where("VBD", "VDI", vdi).map((vbd) => store.get("VBD", vbd)).filter(({ currently_attached: attached, reserved }) => attached || reserved);
  const copyable = operation === "copy" && active.every(({ mode }) => mode === "RO");
  if (active.length > 0 && !copyable && !attachedOperations.has(operation)) {
    throw new XapiError("VDI_IN_USE", [vdi, operation]);
  }
}
function requireKind2(vdi, ref, operation) {
  if (vdi.type === "cbt_metadata" && notOnCbtMetadata.has(operation)) {
    throw new XapiError("VDI_INCOMPATIBLE_TYPE", [ref, vdi.type]);
  }
  if (operation === "revert_to" && !vdi.is_a_snapshot) throw new XapiError("REVERT_ONLY_ALLOWED_ON_SNAPSHOT", []);
  if (operation === "snapshot" && vdi.sharable) throw new XapiError("VDI_IS_SHARABLE", [ref]);
  if ((operation === "snapshot" || operation === "copy") && vdi.on_boot === "reset") {
    throw new XapiError("VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION", []);
  }
  if (operation === "data_destroy" && !(vdi.is_a_snapshot && vdi.cbt_enabled)) {
    throw new XapiError("OPERATION_NOT_ALLOWED", ["data_destroy needs a snapshot with changed block tracking"]);
  }
}

// lib/toolstack/derived.ts
init_schema();
var derivations = {
  "SR.allowed_operations": allowedSrOperations,
  "SR.VDIs": referrers("VDI", "SR"),
  "SR.PBDs": referrers("PBD", "SR"),
  "VDI.allowed_operations": allowedVdiOperations,
  "VDI.VBDs": referrers("VBD", "VDI"),
  "VDI.snapshots": referrers("VDI", "snapshot_of"),
  "VM.allowed_operations": allowedVmOperations,
  "VM.VBDs": referrers("VBD", "VM"),
  "VM.VIFs": referrers("VIF", "VM"),
  "network.VIFs": referrers("VIF", "network"),
  "VM.snapshots": referrers("VM", "snapshot_of"),
  "VM.children": referrers("VM", "parent"),
  "host.PBDs": referrers("PBD", "host"),
  "host.resident_VMs": referrers("VM", "resident_on"),
  "task.subtasks": referrers("task", "subtask_of")
};
function viewRecord(store, className, ref) {
  const stored = store.get(className, ref);
  const derived = definitionOf(className).derived.map((field) => [field, derive(store, className, field, ref)]);
  return { ...stored, ...Object.fromEntries(derived) };
}
function viewField(store, className, ref, field) {
  const stored = store.get(className, ref);
  return definitionOf(className).derived.includes(field) ? derive(store, className, field, ref) : stored[field];
}
function derive(store, className, field, ref) {
  const derivation = derivations[`${className}.${field}`];
  if (derivation === void 0) throw new TypeError(`${className}.${field} has no derivation`);
  return derivation(store, ref);
}
function referrers(className, field) {
  return (store, ref) => store.where(className, field, ref);
}

// lib/toolstack/maps.ts
function withoutKey(map, key) {
  return Object.fromEntries(Object.entries(map).filter(([name]) => name !== key));
}

// lib/toolstack/api/accessors.ts
init_field();
init_schema();

// lib/toolstack/api/expression.ts
init_XapiClient();
var maxLength = 64 * 1024;
var maxDepth = 100;
function compileExpression(text3) {
  if (text3.length > maxLength) throw new XapiError("INVALID_VALUE", ["expr", `longer than ${maxLength} characters`]);
  const parser = new Parser2(tokenise(text3), text3);
  return parser.whole();
}
var tokenPattern = /\s*(?:(true|false|and|or|not|field|[()=])|"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')/sy;
function tokenise(text3) {
  const tokens = [];
  const end3 = text3.trimEnd().length;
  tokenPattern.lastIndex = 0;
  while (tokenPattern.lastIndex < end3) {
    const match = tokenPattern.exec(text3);
    if (match === null) throw new XapiError("INVALID_VALUE", ["expr", text3]);
    const [, word, double, single] = match;
    tokens.push(word === void 0 ? { quoted: (double ?? single ?? "").replace(/\\(.)/gs, "$1") } : { word });
  }
  return tokens;
}
var Parser2 = class {
  #tokens;
  #text;
  #position = 0;
  #depth = 0;
  constructor(tokens, text3) {
    this.#tokens = tokens;
    this.#text = text3;
  }
  whole() {
    const predicate = this.#alternatives();
    if (this.#position < this.#tokens.length) throw this.#error();
    return predicate;
  }
  #alternatives() {
    let left = this.#conjunction();
    while (this.#take("or")) {
      const [a, b] = [left, this.#conjunction()];
      left = (field) => a(field) || b(field);
    }
    return left;
  }
  #conjunction() {
    let left = this.#term();
    while (this.#take("and")) {
      const [a, b] = [left, this.#term()];
      left = (field) => a(field) && b(field);
    }
    return left;
  }
  #term() {
    this.#depth += 1;
    if (this.#depth > maxDepth) throw this.#error();
    const predicate = this.#innerTerm();
    this.#depth -= 1;
    return predicate;
  }
  #innerTerm() {
    if (this.#take("not")) {
      const inner = this.#term();
      return (field) => !inner(field);
    }
    if (this.#take("(")) {
      const inner = this.#alternatives();
      this.#expect(")");
      return inner;
    }
    if (this.#take("true")) return () => true;
    if (this.#take("false")) return () => false;
    return this.#comparison();
  }
  #comparison() {
    const left = this.#operand();
    this.#expect("=");
    const right = this.#operand();
    return (field) => left(field) === right(field);
  }
  #operand() {
    if (!this.#take("field")) {
      const literal = this.#quoted();
      return () => literal;
    }
    const name = this.#quoted();
    const flat = name.replaceAll("__", "_");
    return (field) => {
      const value = field(flat);
      if (value === void 0) throw new XapiError("INVALID_VALUE", ["expr", `unknown field ${name}`]);
      return value;
    };
  }
  #quoted() {
    const token = this.#tokens[this.#position];
    if (token === void 0 || !("quoted" in token)) throw this.#error();
    this.#position += 1;
    return token.quoted;
  }
  #take(word) {
    const token = this.#tokens[this.#position];
    if (token === void 0 || !("word" in token) || token.word !== word) return false;
    this.#position += 1;
    return true;
  }
  #expect(word) {
    if (!this.#take(word)) throw this.#error();
  }
  #error() {
    return new XapiError("INVALID_VALUE", ["expr", this.#text]);
  }
};

// lib/smapi/labels.ts
function hasIllegalXmlChar(text3) {
  for (const character of text3) {
    if (isIllegal(character.codePointAt(0) ?? 0)) return true;
  }
  return false;
}
var ILLEGAL_RANGES = [
  [0, 8],
  [11, 31],
  [127, 132],
  [134, 159],
  [55296, 57343],
  [64976, 64991]
];
function isIllegal(code) {
  const endsPlane = (code & 65534) === 65534;
  return endsPlane || ILLEGAL_RANGES.some(([first, last]) => code >= first && code <= last);
}

// lib/toolstack/api/labels.ts
init_XapiClient();
function requireLabels(labels) {
  for (const [field, text3] of Object.entries(labels)) {
    if (hasIllegalXmlChar(text3)) throw new XapiError("INVALID_VALUE", [field, text3]);
  }
}

// lib/toolstack/api/method.ts
function method([name, params, result], run, { fallbacks = {}, needsSession = true, hasAsync = true } = {}) {
  const byName3 = fallbacks;
  return {
    name,
    params: Object.entries(params).map(([paramName, type]) => ({
      name: paramName,
      type,
      ...Object.hasOwn(byName3, paramName) ? { fallback: byName3[paramName] } : {}
    })),
    result,
    needsSession,
    hasAsync,
    run: (call, args) => run(call, args)
  };
}

// lib/toolstack/api/accessors.ts
var byNameLabel = /* @__PURE__ */ new Set(["host", "VM", "VDI", "SR"]);
function accessor(name) {
  const [className = "", verb = "", ...rest] = name.split(".");
  if (!isClassName(className) || rest.length > 0) return void 0;
  return wholeObjects(className, verb) ?? getter(className, verb) ?? setter(className, verb);
}
function accessorNames() {
  return classNames.flatMap((className) => verbsOf(className).map((verb) => `${className}.${verb}`));
}
function verbsOf(className) {
  const { fields } = definitionOf(className);
  const verbs = Object.keys(fields).flatMap((field) => [
    `get_${field}`,
    `set_${field}`,
    `add_to_${field}`,
    `remove_from_${field}`,
    `add_${field}`,
    `remove_${field}`
  ]);
  const whole = [
    "get_all",
    "get_all_records",
    "get_all_records_where",
    "get_by_uuid",
    "get_by_name_label",
    "get_record"
  ];
  return [...whole, ...verbs].filter((verb) => accessor(`${className}.${verb}`) !== void 0);
}
var plain3 = { hasAsync: false };
function wholeObjects(className, verb) {
  const name = `${className}.${verb}`;
  const { listed } = definitionOf(className);
  if (verb === "get_record") {
    const result = { record: className };
    return method(
      [name, { self: "ref" }, result],
      (call, { self: self5 }) => viewRecord(storeOf(call), className, self5),
      plain3
    );
  }
  if (verb === "get_by_uuid") {
    return method([name, { uuid: "string" }, "ref"], (call, { uuid }) => storeOf(call).byUuid(className, uuid), plain3);
  }
  if (!listed) return void 0;
  if (verb === "get_all") return method([name, {}, "refs"], (call) => storeOf(call).refs(className), plain3);
  const records = { mapOf: { record: className } };
  if (verb === "get_all_records")
    return method([name, {}, records], (call) => recordsWhere(call, className, "true"), plain3);
  if (verb === "get_all_records_where") {
    return method([name, { expr: "string" }, records], (call, { expr }) => recordsWhere(call, className, expr), plain3);
  }
  if (verb === "get_by_name_label" && byNameLabel.has(className)) {
    return method([name, { label: "string" }, "refs"], (call, { label }) => withLabel(call, className, label), plain3);
  }
  return void 0;
}
function recordsWhere(call, className, expression) {
  const store = storeOf(call);
  const matches = compileExpression(expression);
  const found2 = store.refs(className).filter((ref) => matches((field) => fieldText(call, className, ref, field)));
  return Object.fromEntries(found2.map((ref) => [ref, viewRecord(store, className, ref)]));
}
function fieldText(call, className, ref, field) {
  if (fieldTypeOf(className, field) === void 0) return void 0;
  const value = viewField(storeOf(call), className, ref, field);
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
function withLabel(call, className, label) {
  const store = storeOf(call);
  return store.refs(className).filter((ref) => viewField(store, className, ref, "name_label") === label);
}
function getter(className, verb) {
  if (!verb.startsWith("get_")) return void 0;
  const field = verb.slice("get_".length);
  const type = fieldTypeOf(className, field);
  if (type === void 0) return void 0;
  const name = `${className}.${verb}`;
  return method(
    [name, { self: "ref" }, type],
    (call, { self: self5 }) => viewField(storeOf(call), className, self5, field),
    plain3
  );
}
function setter(className, verb) {
  const match = /^(set|add_to|remove_from|add|remove)_(.+)$/.exec(verb);
  const [, action, field] = match ?? [];
  const type = field === void 0 ? void 0 : fieldTypeOf(className, field);
  if (action === void 0 || field === void 0 || type === void 0) return void 0;
  const { writable, smOnly } = definitionOf(className);
  const isSmOnly = smOnly.includes(field);
  if (!isSmOnly && !writable.includes(field)) return void 0;
  return change({ className, field, type, isSmOnly }, action, `${className}.${verb}`);
}
function change(target, action, name) {
  const { className, field, type } = target;
  if (action === "set") {
    return method(
      [name, { self: "ref", value: type }, "void"],
      (call, { self: self5, value }) => {
        if (typeof value === "string" && isLabel(target)) requireLabels({ [field]: value });
        write(call, target, self5, value);
      },
      plain3
    );
  }
  if (type === "map" && action === "add_to") {
    return method(
      [name, { self: "ref", key: "string", value: "string" }, "void"],
      (call, { self: self5, key, value }) => {
        const map = mapOf2(call, target, self5);
        if (Object.hasOwn(map, key)) throw new XapiError("MAP_DUPLICATE_KEY", [className, field, self5, key]);
        write(call, target, self5, { ...map, [key]: value });
      },
      plain3
    );
  }
  if (type === "map" && action === "remove_from") {
    return method(
      [name, { self: "ref", key: "string" }, "void"],
      (call, { self: self5, key }) => {
        const map = mapOf2(call, target, self5);
        if (Object.hasOwn(map, key)) write(call, target, self5, withoutKey(map, key));
      },
      plain3
    );
  }
  if (type === "strings" && (action === "add" || action === "remove")) {
    return method(
      [name, { self: "ref", value: "string" }, "void"],
      (call, { self: self5, value }) => {
        const others = listOf2(call, target, self5).filter((item) => item !== value);
        write(call, target, self5, action === "add" ? [...others, value] : others);
      },
      plain3
    );
  }
  return void 0;
}
function write(call, { className, field, isSmOnly }, ref, value) {
  if (isSmOnly) call.requireSmSession(storageOf(call, className, ref));
  storeOf(call).update(className, ref, { [field]: value });
}
function isLabel({ className, field }) {
  return (className === "VDI" || className === "SR") && (field === "name_label" || field === "name_description");
}
function storageOf(call, className, ref) {
  if (className === "SR") return ref;
  return className === "VDI" || className === "PBD" ? storeOf(call).get(className, ref).SR : nullRef;
}
function mapOf2(call, { className, field }, ref) {
  return viewField(storeOf(call), className, ref, field);
}
function listOf2(call, { className, field }, ref) {
  return viewField(storeOf(call), className, ref, field);
}
function storeOf(call) {
  return call.services.store;
}

// lib/toolstack/api/event-queue.ts
init_XapiClient();

// lib/toolstack/api/event.ts
init_XapiClient();
init_schema();
init_types();
var batch = {
  struct: { events: { listOf: "typed" }, valid_ref_counts: { mapOf: "int32" }, token: "string" }
};
var maxTimeout = 3600;
var eventMethods = [
  method(["event.from", { classes: "strings", token: "string", timeout: "float" }, batch], eventsFrom, {
    hasAsync: false
  }),
  method(["event.inject", { class: "string", ref: "ref" }, "string"], inject, { hasAsync: false }),
  method(["event.get_current_id", {}, "int"], (call) => call.services.store.generation, { hasAsync: false })
];
async function eventsFrom(call, { classes: classes2, token, timeout }) {
  const { store } = call.services;
  const since = readToken(token);
  const wanted = subscription(classes2);
  const deadline = performance.now() + Math.min(Math.max(timeout, 0), maxTimeout) * 1e3;
  let events = collectEvents(store, since, wanted);
  while (events.length === 0 && performance.now() < deadline && !call.services.closing.aborted) {
    await nextChange(store, deadline - performance.now(), call.services.closing);
    events = collectEvents(store, since, wanted);
  }
  return { events, valid_ref_counts: refCounts(store), token: String(store.generation) };
}
function readToken(token) {
  if (token === "") return 0;
  const generation = /^\d{1,15}$/.test(token) ? Number(token) : NaN;
  if (Number.isNaN(generation)) throw new XapiError("EVENT_FROM_TOKEN_PARSE_FAILURE", [token]);
  return generation;
}
function subscription(classes2) {
  const names = new Set(classes2.map((entry) => entry.toLowerCase()));
  return (className, ref) => names.has("*") || names.has(className.toLowerCase()) || names.has(`${className}/${ref}`.toLowerCase());
}
function listedClasses() {
  return classNames.filter((name) => definitionOf(name).listed);
}
function collectEvents(store, since, wanted) {
  const gone = store.tombstones.filter(({ className, ref, created: created3, deleted }) => deleted > since && created3 <= since && wanted(className, ref)).filter(({ className }) => definitionOf(className).listed).map(({ className, ref, deleted }) => eventOf(className, "del", ref, deleted));
  const living = listedClasses().flatMap(
    (className) => store.stamps(className).filter(({ ref, modified }) => modified > since && wanted(className, ref)).map((stamp) => ({ className, ...stamp }))
  );
  const shown = ({ className, ref, modified }, operation) => eventOf(className, operation, ref, modified, viewRecord(store, className, ref));
  return [
    ...gone,
    ...living.filter(({ created: created3 }) => created3 <= since).map((stamp) => shown(stamp, "mod")),
    ...living.filter(({ created: created3 }) => created3 > since).map((stamp) => shown(stamp, "add"))
  ];
}
function eventOf(className, operation, ref, id, snapshot) {
  const texts = { id: "string", timestamp: "string", class: "string", operation: "string", ref: "ref" };
  const value = { id: String(id), timestamp: "0.0", class: className.toLowerCase(), operation, ref };
  if (snapshot === void 0) return new Typed({ struct: texts }, value);
  return new Typed({ struct: { ...texts, snapshot: { record: className } } }, { ...value, snapshot });
}
function refCounts(store) {
  return Object.fromEntries(listedClasses().map((name) => [name.toLowerCase(), store.refs(name).length]));
}
function nextChange(store, milliseconds, closing2) {
  return new Promise((resolve) => {
    const done = () => {
      stop();
      clearTimeout(timer);
      closing2.removeEventListener("abort", done);
      resolve();
    };
    const stop = store.listen(done);
    const timer = setTimeout(done, milliseconds);
    closing2.addEventListener("abort", done);
  });
}
function inject(call, { class: name, ref }) {
  const className = classNames.find((known) => known.toLowerCase() === name.toLowerCase());
  if (className === void 0 || !isClassName(className)) throw new XapiError("HANDLE_INVALID", [name, ref]);
  call.services.store.update(className, ref, {});
  return String(call.services.store.generation);
}

// lib/toolstack/api/event-queue.ts
var classes = { classes: "strings" };
var eventQueueMethods = [
  method(["event.register", classes, "void"], (call, args) => {
    register(call, args.classes);
  }),
  method(["event.unregister", classes, "void"], (call, args) => {
    unregister(call, args.classes);
  }),
  method(["event.next", {}, { listOf: "typed" }], next, { hasAsync: false })
];
function register(call, added) {
  const { store, subscriptions } = call.services;
  const before = subscriptions.get(call.session);
  const wantedClasses = [...before?.classes ?? [], ...added];
  const since = before?.since ?? store.generation;
  subscriptions.set(call.session, { classes: wantedClasses, wanted: subscription(wantedClasses), since });
}
function unregister(call, removed) {
  const { subscriptions } = call.services;
  const before = subscriptions.get(call.session);
  const names = new Set(removed.map((name) => name.toLowerCase()));
  const left = (before?.classes ?? []).filter((name) => !names.has(name.toLowerCase()));
  if (before === void 0 || left.length === 0) subscriptions.delete(call.session);
  else subscriptions.set(call.session, { ...before, classes: left, wanted: subscription(left) });
}
async function next(call) {
  const { store, closing: closing2 } = call.services;
  for (; ; ) {
    const { wanted, since } = subscriptionOf(call);
    if (store.forgottenUntil > since) {
      advance(call, store.generation);
      throw new XapiError("EVENTS_LOST", []);
    }
    const generation = store.generation;
    const events = collectEvents(store, since, wanted);
    advance(call, generation);
    if (events.length > 0 || closing2.aborted) return events;
    await nextChange(store, longestSleepMs, closing2);
  }
}
var longestSleepMs = 6e4;
function subscriptionOf({ services, session: session2 }) {
  const found2 = services.subscriptions.get(session2);
  if (found2 === void 0 || !services.store.has("session", session2)) {
    throw new XapiError("SESSION_NOT_REGISTERED", [session2]);
  }
  return found2;
}
function advance({ services: { subscriptions }, session: session2 }, since) {
  const found2 = subscriptions.get(session2);
  if (found2 !== void 0) subscriptions.set(session2, { ...found2, since });
}
function forgetSubscriptions({ services: { store, subscriptions } }) {
  for (const session2 of subscriptions.keys()) {
    if (!store.has("session", session2)) subscriptions.delete(session2);
  }
}

// lib/toolstack/api/host.ts
var pluginCall = { host: "ref", plugin: "string", fn: "string", args: "map" };
var hostMethods = [
  method(["host.call_plugin", pluginCall, "string"], (call, { host: host2, plugin, fn, args }) => {
    call.services.store.get("host", host2);
    return call.services.hostPlugins.call({ host: host2, plugin, fn, args });
  })
];

// lib/toolstack/Services.ts
function xapiDate(milliseconds) {
  return new Date(milliseconds).toISOString().replace(/\.\d+Z$/, "Z").replaceAll("-", "");
}

// lib/toolstack/api/message.ts
var created = { name: "string", priority: "int", cls: "string", obj_uuid: "string", body: "string" };
var messageMethods = [
  method(["message.create", created, "ref"], (call, message2) => {
    const { store, system } = call.services;
    return store.create("message", { ...message2, timestamp: xapiDate(system.now()) });
  }),
  method(["message.destroy", { self: "ref" }, "void"], (call, { self: self5 }) => {
    call.services.store.get("message", self5);
    call.services.store.remove("message", self5);
  }),
  method(
    ["secret.create", { record: "struct" }, "ref"],
    (call, { record }) => call.services.store.create("secret", {
      value: readMember(record, "value", "string"),
      other_config: readMember(record, "other_config", "map", {})
    })
  ),
  method(["secret.destroy", { self: "ref" }, "void"], (call, { self: self5 }) => {
    call.services.store.get("secret", self5);
    call.services.store.remove("secret", self5);
  })
];

// lib/toolstack/api/pbd.ts
init_XapiClient();

// lib/toolstack/api/checks.ts
init_XapiClient();
function refuseMaster(deviceConfig) {
  const given = deviceConfig["SRmaster"];
  if (given !== void 0) throw new XapiError("INVALID_VALUE", ["device_config:SRmaster", given]);
}
function isUuid(text3) {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text3);
}

// lib/toolstack/api/storage-call.ts
init_XapiClient();

// lib/toolstack/storage/vdi-info.ts
function findSr(store, uuid) {
  const [sr2] = store.where("SR", "uuid", uuid);
  if (sr2 === void 0) throw new SrNotAttached(uuid);
  return sr2;
}
function findVdi(store, { sr: sr2, vdi }) {
  const srRef = findSr(store, sr2);
  const found2 = store.where("VDI", "location", vdi).find((ref) => store.get("VDI", ref).SR === srRef);
  if (found2 === void 0) throw new VdiDoesNotExist(vdi);
  return found2;
}
function placeOf(store, ref) {
  const { SR: SR2, location } = store.get("VDI", ref);
  return { sr: store.get("SR", SR2).uuid, vdi: location };
}
function vdiInfoOf(store, ref) {
  const vdi = store.get("VDI", ref);
  return {
    vdi: vdi.location,
    uuid: vdi.uuid,
    content_id: vdi.other_config["content_id"] ?? vdi.location,
    name_label: vdi.name_label,
    name_description: vdi.name_description,
    ty: vdi.type,
    metadata_of_pool: vdi.metadata_of_pool,
    is_a_snapshot: vdi.is_a_snapshot,
    snapshot_time: vdi.snapshot_time,
    snapshot_of: store.find("VDI", vdi.snapshot_of)?.uuid ?? "",
    read_only: vdi.read_only,
    cbt_enabled: vdi.cbt_enabled,
    virtual_size: vdi.virtual_size,
    physical_utilisation: vdi.physical_utilisation,
    persistent: vdi.on_boot !== "reset",
    sharable: vdi.sharable,
    sm_config: vdi.sm_config,
    tags: vdi.tags
  };
}

// lib/toolstack/api/storage-call.ts
var srCommands = /* @__PURE__ */ new Set(["sr_create", "sr_delete", "sr_scan", "sr_update"]);
function dbg(call) {
  return { task: call.task };
}
function srUuid({ services: { store } }, sr2) {
  return store.get("SR", sr2).uuid;
}
function place({ services: { store } }, vdi) {
  return placeOf(store, vdi);
}
function refOf(call, sr2, { vdi }) {
  return findVdi(call.services.store, { sr: srUuid(call, sr2), vdi });
}
async function fromStorage(sr2, body) {
  try {
    return await body;
  } catch (error) {
    throw clientError(sr2, error);
  }
}
function clientError(sr2, error) {
  if (error instanceof BackendError) return new XapiError(error.code, error.params);
  if (error instanceof VdiDoesNotExist) return new XapiError("HANDLE_INVALID", ["VDI", error.vdi]);
  if (error instanceof SrNotAttached) return new XapiError("SR_NOT_ATTACHED", [sr2]);
  if (!(error instanceof Unimplemented)) return error;
  const code = srCommands.has(error.operation) ? "SR_OPERATION_NOT_SUPPORTED" : "UNIMPLEMENTED_IN_SM_BACKEND";
  return new XapiError(code, [sr2]);
}
function requirePlugged(call, sr2) {
  const { store, host: host2 } = call.services;
  const pbds = store.where("PBD", "SR", sr2).map((pbd) => store.get("PBD", pbd));
  if (!pbds.some((pbd) => pbd.host === host2 && pbd.currently_attached)) throw new XapiError("SR_HAS_NO_PBDS", [sr2]);
}
function requireManaged(call, vdi) {
  if (!call.services.store.get("VDI", vdi).managed) throw new XapiError("VDI_NOT_MANAGED", [vdi]);
}

// lib/toolstack/api/pbd.ts
var self = { self: "ref" };
var pbdMethods = [
  method(["PBD.create", { record: "struct" }, "ref"], createPbd),
  method(["PBD.plug", self, "void"], (call, pbd) => marked(call, pbd.self, "plug", () => plugPbd(call, pbd.self))),
  method(
    ["PBD.unplug", self, "void"],
    (call, pbd) => marked(call, pbd.self, "unplug", () => unplugPbd(call, pbd.self))
  ),
  method(["PBD.destroy", self, "void"], (call, pbd) => {
    const { store } = call.services;
    if (store.get("PBD", pbd.self).currently_attached) {
      throw new XapiError("OPERATION_NOT_ALLOWED", ["PBD is currently attached"]);
    }
    store.remove("PBD", pbd.self);
  })
];
async function plugPbd(call, pbd) {
  const { store, storage } = call.services;
  const { SR: SR2, currently_attached: attached } = store.get("PBD", pbd);
  if (attached) return;
  await fromStorage(SR2, storage.SR.attach(dbg(call), srUuid(call, SR2)));
  store.update("PBD", pbd, { currently_attached: true });
}
async function unplugPbd(call, pbd) {
  const { store, storage } = call.services;
  const { SR: SR2, currently_attached: attached } = store.get("PBD", pbd);
  if (!attached) return;
  const isUsed = (vdi) => store.where("VBD", "VDI", vdi).some((vbd) => store.get("VBD", vbd).currently_attached);
  const used = store.where("VDI", "SR", SR2).find(isUsed);
  if (used !== void 0) throw new XapiError("VDI_IN_USE", [used, "unplug"]);
  await fromStorage(SR2, storage.SR.detach(dbg(call), srUuid(call, SR2)));
  store.update("PBD", pbd, { currently_attached: false });
}
function createPbd(call, { record }) {
  const { store } = call.services;
  const host2 = readMember(record, "host", "ref");
  const SR2 = readMember(record, "SR", "ref");
  const deviceConfig = readMember(record, "device_config", "map", {});
  store.get("host", host2);
  store.get("SR", SR2);
  refuseMaster(deviceConfig);
  const existing = store.where("PBD", "SR", SR2).find((pbd) => store.get("PBD", pbd).host === host2);
  if (existing !== void 0) throw new XapiError("PBD_EXISTS", [SR2, host2, existing]);
  const otherConfig = readMember(record, "other_config", "map", {});
  return store.create("PBD", { host: host2, SR: SR2, device_config: deviceConfig, other_config: otherConfig });
}
function marked(call, pbd, operation, body) {
  const { store, operations: operations2 } = call.services;
  return operations2.run(call, [{ className: "SR", ref: store.get("PBD", pbd).SR, operation }], body);
}

// lib/toolstack/api/plan.ts
init_XapiClient();

// lib/toolstack/api/vdi-revert.ts
init_XapiClient();

// lib/toolstack/api/vdi.ts
init_XapiClient();
init_field();

// lib/toolstack/api/vdi-records.ts
init_XapiClient();
init_field();
var introduced = {
  uuid: "string",
  name_label: "string",
  name_description: "string",
  SR: "ref",
  type: "string",
  sharable: "bool",
  read_only: "bool",
  other_config: "map",
  location: "string",
  xenstore_data: "map",
  sm_config: "map",
  managed: "bool",
  virtual_size: "int",
  physical_utilisation: "int",
  metadata_of_pool: "ref",
  is_a_snapshot: "bool",
  snapshot_time: "datetime",
  snapshot_of: "ref"
};
var dbIntroduced = { ...introduced, cbt_enabled: "bool" };
var vdiRecordMethods = [
  method(["VDI.db_introduce", dbIntroduced, "ref"], dbIntroduce, { fallbacks: { cbt_enabled: false } }),
  method(["VDI.db_forget", { vdi: "ref" }, "void"], (call, { vdi }) => {
    call.requireSmSession(call.services.store.get("VDI", vdi).SR);
    ejectDiscs(call, vdi);
    call.services.store.remove("VDI", vdi);
  }),
  method(
    ["VDI.forget", { vdi: "ref" }, "void"],
    (call, { vdi }) => call.services.operations.run(call, [{ className: "VDI", ref: vdi, operation: "forget" }], () => {
      ejectDiscs(call, vdi);
      call.services.store.remove("VDI", vdi);
      return Promise.resolve();
    })
  )
];
function dbIntroduce(call, { cbt_enabled, ...vdi }) {
  const { store } = call.services;
  store.get("SR", vdi.SR);
  call.requireSmSession(vdi.SR);
  if (!isUuid(vdi.uuid)) throw new XapiError("UUID_INVALID", ["VDI", vdi.uuid]);
  requireUniqueLocation(call, vdi.SR, vdi.location);
  return store.create("VDI", { ...vdi, cbt_enabled, on_boot: "persist", parent: nullRef });
}
function requireUniqueLocation(call, sr2, location) {
  const { store } = call.services;
  const existing = store.where("VDI", "location", location).filter((vdi) => store.get("VDI", vdi).SR === sr2);
  if (existing.length > 0) throw new XapiError("LOCATION_NOT_UNIQUE", [sr2, location]);
}
function ejectDiscs(call, vdi) {
  const { store } = call.services;
  for (const vbd of store.where("VBD", "VDI", vdi)) {
    if (store.get("VBD", vbd).type === "CD") store.update("VBD", vbd, { VDI: nullRef, empty: true });
  }
}

// lib/toolstack/api/vdi.ts
var resized = { vdi: "ref", size: "int" };
var vdiMethods = [
  method(["VDI.create", { record: "struct" }, "ref"], (call, { record }) => createVdi(call, record)),
  method(["VDI.introduce", introduced, "ref"], introduceVdi),
  method(["VDI.resize", resized, "void"], (call, { vdi, size }) => resize(call, "resize", vdi, size)),
  method(["VDI.resize_online", resized, "void"], (call, { vdi, size }) => resize(call, "resize_online", vdi, size)),
  method(["VDI.destroy", { vdi: "ref" }, "void"], (call, { vdi }) => destroyVdi(call, vdi)),
  method(["VDI.update", { vdi: "ref" }, "void"], (call, { vdi }) => {
    const sr2 = srOf(call, vdi);
    return onVdi(
      call,
      [{ className: "VDI", ref: vdi, operation: "update" }],
      sr2,
      () => fromStorage(sr2, call.services.storage.VDI.update(dbg(call), place(call, vdi)))
    );
  })
];
async function createVdi(call, record) {
  const SR2 = readMember(record, "SR", "ref");
  const vdi = {
    name_label: readMember(record, "name_label", "string", ""),
    name_description: readMember(record, "name_description", "string", ""),
    ty: readMember(record, "type", "string", "user"),
    virtual_size: readMember(record, "virtual_size", "int"),
    read_only: readMember(record, "read_only", "bool", false),
    sm_config: readMember(record, "sm_config", "map", {})
  };
  const fields = {
    other_config: readMember(record, "other_config", "map", {}),
    sharable: readMember(record, "sharable", "bool", false),
    tags: readMember(record, "tags", "strings", []),
    xenstore_data: readMember(record, "xenstore_data", "map", {})
  };
  if (vdi.ty === "cbt_metadata") throw new XapiError("VDI_INCOMPATIBLE_TYPE", [nullRef, vdi.ty]);
  const mark = { className: "SR", ref: SR2, operation: "vdi_create" };
  return onVdi(call, [mark], SR2, () => makeDisk(call, SR2, vdi, fields));
}
async function makeDisk(call, sr2, vdi, fields) {
  const { store, storage } = call.services;
  requirePlugged(call, sr2);
  const made = await fromStorage(sr2, storage.VDI.create(dbg(call), srUuid(call, sr2), vdi));
  const { virtual_size: actual } = made;
  if (actual < vdi.virtual_size) {
    throw new XapiError("SR_BACKEND_FAILURE", ["Disk too small", String(vdi.virtual_size), String(actual)]);
  }
  const ref = refOf(call, sr2, made);
  store.update("VDI", ref, fields);
  return ref;
}
function introduceVdi(call, args) {
  const { store, storage } = call.services;
  const { uuid, location, sm_config, SR: SR2, name_label, name_description } = args;
  return onVdi(call, [{ className: "SR", ref: SR2, operation: "vdi_introduce" }], SR2, async () => {
    requireUniqueLocation(call, SR2, location);
    const introduction = { uuid, location, sm_config };
    const info = await fromStorage(SR2, storage.VDI.introduce(dbg(call), srUuid(call, SR2), introduction));
    const ref = refOf(call, SR2, info);
    const { read_only, other_config, xenstore_data } = args;
    store.update("VDI", ref, { name_label, name_description, read_only, other_config, xenstore_data });
    return ref;
  });
}
function resize(call, operation, vdi, size) {
  const sr2 = srOf(call, vdi);
  const marks = [
    { className: "SR", ref: sr2, operation: "vdi_resize" },
    { className: "VDI", ref: vdi, operation }
  ];
  return onVdi(call, marks, sr2, async () => {
    requireManaged(call, vdi);
    await fromStorage(sr2, call.services.storage.VDI.resize(dbg(call), place(call, vdi), size));
  });
}
function destroyVdi(call, vdi) {
  const sr2 = srOf(call, vdi);
  const marks = [
    { className: "SR", ref: sr2, operation: "vdi_destroy" },
    { className: "VDI", ref: vdi, operation: "destroy" }
  ];
  return onVdi(call, marks, sr2, () => removeDisk(call, vdi));
}
async function removeDisk(call, vdi) {
  const { store, storage } = call.services;
  requireManaged(call, vdi);
  await fromStorage(srOf(call, vdi), storage.VDI.destroy(dbg(call), place(call, vdi)));
  for (const vbd of store.where("VBD", "VDI", vdi)) store.remove("VBD", vbd);
  for (const vm2 of store.where("VM", "suspend_VDI", vdi)) store.update("VM", vm2, { suspend_VDI: nullRef });
  store.remove("VDI", vdi);
}
function onVdi(call, marks, sr2, body) {
  return call.services.operations.run(call, marks, () => {
    requirePlugged(call, sr2);
    return body();
  });
}
function srOf(call, vdi) {
  return call.services.store.get("VDI", vdi).SR;
}

// lib/toolstack/api/vdi-snapshot.ts
init_field();

// lib/toolstack/api/vdi-copy.ts
init_XapiClient();
init_field();
var copied = { vdi: "ref", sr: "ref", base_vdi: "ref", into_vdi: "ref" };
var vdiCopyMethods = [
  method(["VDI.copy", copied, "ref"], copyVdi, { fallbacks: { base_vdi: nullRef, into_vdi: nullRef } })
];
async function copyVdi(call, { vdi, sr: sr2, into_vdi: into }) {
  const { operations: operations2 } = call.services;
  const marks = [{ className: "VDI", ref: vdi, operation: "copy" }];
  return operations2.run(call, marks, async () => {
    requirePlugged(call, srOf(call, vdi));
    if (into === nullRef) {
      const mark = { className: "SR", ref: sr2, operation: "vdi_create" };
      const made = await operations2.run(call, [mark], () => makeLike(call, vdi, sr2));
      await copyContents(call, vdi, made);
      return made;
    }
    requireRoom(call, vdi, into);
    const target = { className: "VDI", ref: into, operation: "copy" };
    return operations2.run(call, [target], async () => {
      requirePlugged(call, srOf(call, into));
      await copyData(call, vdi, into);
      return into;
    });
  });
}
function requireRoom({ services: { store } }, vdi, into) {
  const target = store.get("VDI", into);
  if (target.read_only) throw new XapiError("VDI_READONLY", [into]);
  const needed = store.get("VDI", vdi).virtual_size;
  if (target.virtual_size < needed) throw new XapiError("VDI_TOO_SMALL", [into, String(needed)]);
}
async function makeLike(call, source, sr2) {
  const from = call.services.store.get("VDI", source);
  const vdi = {
    name_label: from.name_label,
    name_description: from.name_description,
    ty: from.type,
    virtual_size: from.virtual_size,
    read_only: false,
    sm_config: {}
  };
  const { other_config, sharable, tags, xenstore_data } = from;
  return makeDisk(call, sr2, vdi, { other_config, sharable, tags, xenstore_data });
}
async function copyContents(call, source, made) {
  try {
    await copyData(call, source, made);
  } catch (error) {
    try {
      await removeDisk(call, made);
    } catch (second) {
      call.services.log.error(`the disk of a failed copy stays: ${String(second)}`);
    }
    throw error;
  }
}
async function copyData(call, source, target) {
  const { copier } = call.services;
  await fromStorage(srOf(call, target), copier.copy(dbg(call), endOf(call, source), endOf(call, target)));
}
function endOf(call, vdi) {
  const { store } = call.services;
  const { uuid } = store.get("VDI", vdi);
  return { ...place(call, vdi), type: store.get("SR", srOf(call, vdi)).type, uuid };
}

// lib/toolstack/api/vdi-snapshot.ts
var copied2 = { vdi: "ref", driver_params: "map" };
var noParams = { fallbacks: { driver_params: {} } };
var vdiSnapshotMethods = [
  method(["VDI.snapshot", copied2, "ref"], (call, args) => snapshotVdi(call, args.vdi, args.driver_params), noParams),
  method(["VDI.clone", copied2, "ref"], (call, args) => cloneVdi(call, args.vdi, args.driver_params), noParams)
];
function snapshotVdi(call, source, driverParams) {
  const { storage, system } = call.services;
  const sr2 = srOf(call, source);
  return onVdi(call, marksOf(sr2, source, "snapshot"), sr2, async () => {
    requireManaged(call, source);
    const info = await fromStorage(sr2, storage.VDI.snapshot(dbg(call), place(call, source), driverParams));
    const time = xapiDate(system.now());
    const own = { is_a_snapshot: true, snapshot_of: source, snapshot_time: time };
    return completeCopy(call, source, info, own);
  });
}
function cloneVdi(call, source, driverParams) {
  const sr2 = srOf(call, source);
  return onVdi(call, marksOf(sr2, source, "clone"), sr2, async () => {
    requireManaged(call, source);
    const own = { is_a_snapshot: false, snapshot_of: nullRef };
    const info = await driverClone(call, source, driverParams);
    if (info !== void 0) return completeCopy(call, source, info, own);
    const copy = await makeLike(call, source, sr2);
    await copyContents(call, source, copy);
    return copy;
  });
}
async function driverClone(call, source, driverParams) {
  const cloning = call.services.storage.VDI.clone(dbg(call), place(call, source), driverParams);
  return fromStorage(
    srOf(call, source),
    cloning.catch((error) => {
      if (error instanceof Unimplemented) return void 0;
      throw error;
    })
  );
}
async function completeCopy(call, source, info, own) {
  const { store } = call.services;
  const from = store.get("VDI", source);
  const ref = refOf(call, from.SR, info);
  const contentId = { content_id: from.other_config["content_id"] ?? from.location };
  const { name_label, name_description } = from;
  const { snapshot_of, ...kept2 } = own;
  store.update("VDI", ref, { name_label, name_description, ...kept2, other_config: contentId });
  await updateMetadata(call, ref);
  const { type, sharable, xenstore_data, on_boot, allow_caching, tags } = from;
  const other_config = { ...from.other_config, ...contentId };
  store.update("VDI", ref, { type, sharable, other_config, xenstore_data, on_boot, allow_caching, tags, snapshot_of });
  return ref;
}
async function updateMetadata(call, vdi) {
  const updating = call.services.storage.VDI.update(dbg(call), place(call, vdi));
  await fromStorage(
    srOf(call, vdi),
    updating.catch((error) => {
      if (!(error instanceof Unimplemented)) throw error;
    })
  );
}
function marksOf(sr2, vdi, operation) {
  return [
    { className: "SR", ref: sr2, operation: `vdi_${operation}` },
    { className: "VDI", ref: vdi, operation }
  ];
}

// lib/toolstack/api/vdi-revert.ts
var vdiRevertMethods = [
  method(["VDI.revert", { snapshot: "ref" }, "void"], async (call, { snapshot }) => {
    await revertVdi(call, snapshot);
  }),
  method(
    ["VDI.revert", { snapshot: "ref", driver_params: "map" }, "ref"],
    (call, args) => revertOrClone(call, args.snapshot, args.driver_params)
  )
];
async function revertVdi(call, snapshot) {
  const { store, storage, operations: operations2 } = call.services;
  const { SR: sr2, snapshot_of: target } = store.get("VDI", snapshot);
  const marks = [
    { className: "SR", ref: sr2, operation: "vdi_revert" },
    { className: "VDI", ref: snapshot, operation: "revert_to" }
  ];
  return operations2.run(
    call,
    marks,
    () => onVdi(call, [{ className: "VDI", ref: target, operation: "revert_from" }], sr2, async () => {
      requireManaged(call, snapshot);
      await fromStorage(sr2, storage.VDI.revert(dbg(call), srUuid(call, sr2), vdiInfoOf(store, snapshot)));
      return target;
    })
  );
}
async function revertOrClone(call, snapshot, driverParams) {
  const target = call.services.store.get("VDI", snapshot).snapshot_of;
  try {
    return await revertVdi(call, snapshot);
  } catch (error) {
    if (!isRevertRefusal(error)) throw error;
  }
  const clone = await cloneVdi(call, snapshot, driverParams);
  adoptSnapshots(call, target, clone);
  return clone;
}
function adoptSnapshots(call, old, replacement) {
  const { store } = call.services;
  for (const ref of store.where("VDI", "snapshot_of", old)) store.update("VDI", ref, { snapshot_of: replacement });
}
var cannotRevert = /* @__PURE__ */ new Set(["SR_OPERATION_NOT_SUPPORTED", "UNIMPLEMENTED_IN_SM_BACKEND"]);
function isRevertRefusal(error) {
  return error instanceof XapiError && cannotRevert.has(error.code);
}

// lib/toolstack/api/vm-parts.ts
init_field();
function disksOf(store, vm2) {
  const drives = store.where("VBD", "VM", vm2).map((vbd) => store.get("VBD", vbd));
  const disks = drives.filter(({ type, VDI: VDI2 }) => type === "Disk" && VDI2 !== nullRef).map(({ VDI: VDI2 }) => VDI2);
  return [...new Set(disks)].sort();
}
function copyVbds(call, { from, to, disks, otherConfig = {}, attached = false }) {
  const { store, system } = call.services;
  for (const ref of store.where("VBD", "VM", from)) {
    const drive = store.get("VBD", ref);
    const isDisk = drive.type === "Disk";
    const VDI2 = isDisk ? disks.get(drive.VDI) : drive.VDI;
    if (VDI2 === void 0) continue;
    store.create("VBD", {
      ...drive,
      uuid: system.newUuid(),
      VM: to,
      VDI: store.has("VDI", VDI2) ? VDI2 : nullRef,
      empty: !store.has("VDI", VDI2),
      device: "",
      currently_attached: attached,
      reserved: false,
      current_operations: {},
      other_config: isDisk ? { ...drive.other_config, ...otherConfig } : drive.other_config
    });
  }
}
function copyVifs(call, { from, to, keepAddresses }) {
  const { store, system } = call.services;
  for (const ref of store.where("VIF", "VM", from)) {
    const vif = store.get("VIF", ref);
    const address = keepAddresses ? {} : { MAC: randomAddress(system.newUuid()), MAC_autogenerated: true };
    const uuid = system.newUuid();
    store.create("VIF", { ...vif, ...address, uuid, VM: to, currently_attached: false, current_operations: {} });
  }
}
function randomAddress(uuid) {
  const bytes = Buffer.from(uuid.replaceAll("-", ""), "hex").subarray(10);
  const [first = 0, ...rest] = bytes;
  return [first & 252 | 2, ...rest].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}

// lib/toolstack/api/plan.ts
var diskPlan = {
  struct: {
    snapshot: "ref",
    target: "ref",
    outcome: "string",
    mode: "string",
    virtual_size: "int",
    space_needed: "int",
    depth_before: "int",
    depth_after: "int",
    reasons: "strings"
  }
};
var vmPlan = {
  struct: { vm: "ref", power_state: "string", disks: { listOf: diskPlan }, left_out: "refs" }
};
var planMethods = [
  method(
    ["sm.plan_vdi_revert", { snapshot: "ref" }, diskPlan],
    (call, { snapshot }) => planDisk(call, snapshot, /* @__PURE__ */ new Set()),
    { hasAsync: false }
  ),
  method(["sm.plan_vm_revert", { snapshot: "ref" }, vmPlan], (call, { snapshot }) => planVm(call, snapshot), {
    hasAsync: false
  })
];
async function planVm(call, snapshot) {
  const { store } = call.services;
  const { is_a_snapshot: isSnapshot, snapshot_of: vm2 } = store.get("VM", snapshot);
  if (!isSnapshot) throw new XapiError("REVERT_ONLY_ALLOWED_ON_SNAPSHOT", []);
  const ownDrives = new Set(store.where("VBD", "VM", vm2));
  const disks = [];
  for (const disk of disksOf(store, snapshot)) disks.push(await planDisk(call, disk, ownDrives));
  const targets = new Set(disks.map(({ target }) => target));
  const leftOut = disksOf(store, vm2).filter((disk) => !targets.has(disk));
  return { vm: vm2, power_state: store.find("VM", vm2)?.power_state ?? "", disks, left_out: leftOut };
}
async function planDisk(call, snapshot, ownDrives) {
  const { SR: sr2, snapshot_of: target } = call.services.store.get("VDI", snapshot);
  const refusal = refusalOf(call, { sr: sr2, snapshot, target }, ownDrives);
  if (refusal !== void 0) {
    const outcome2 = isRevertRefusal(refusal) ? "clone" : "blocked";
    return planOf({ snapshot, target }, outcome2, { mode: "unknown", blockers: [{ code: 0, text: refusal.code }] });
  }
  const outlook = await explain(call, { sr: sr2, snapshot, target });
  const [blocker] = outlook.blockers;
  const unimplemented = 38;
  const outcome = blocker === void 0 ? "in place" : blocker.code === unimplemented ? "clone" : "blocked";
  return planOf({ snapshot, target }, outcome, outlook);
}
function refusalOf(call, { sr: sr2, snapshot, target }, ownDrives) {
  const { store } = call.services;
  try {
    checkSrOperation(store, sr2, "vdi_revert");
    checkVdiOperation(store, snapshot, "revert_to");
    checkVdiOperation(store, target, "revert_from");
    return void 0;
  } catch (error) {
    if (!(error instanceof XapiError)) throw error;
    return isOwnUse(call, error, { target, ownDrives }) ? void 0 : error;
  }
}
function isOwnUse({ services: { store } }, { code }, { target, ownDrives }) {
  const using = store.where("VBD", "VDI", target).filter((vbd) => store.get("VBD", vbd).currently_attached);
  return code === "VDI_IN_USE" && using.every((vbd) => ownDrives.has(vbd));
}
async function explain({ services }, { sr: sr2, snapshot, target }) {
  const { store, explainRevert } = services;
  const { type, uuid: srUuid2 } = store.get("SR", sr2);
  const [pbd] = store.where("PBD", "SR", sr2).map((ref) => store.get("PBD", ref));
  const [snapshotUuid, targetUuid] = [store.get("VDI", snapshot).uuid, store.get("VDI", target).uuid];
  const question = { type, deviceConfig: pbd?.device_config ?? {}, srUuid: srUuid2, snapshotUuid, targetUuid };
  const outlook = await explainRevert?.(question);
  return outlook ?? { mode: "unknown", virtualSize: store.get("VDI", snapshot).virtual_size, blockers: [] };
}
function planOf({ snapshot, target }, outcome, { mode, virtualSize, spaceNeeded, depthBefore, depthAfter, blockers }) {
  return {
    snapshot,
    target,
    outcome,
    mode,
    virtual_size: virtualSize ?? 0,
    space_needed: spaceNeeded ?? 0,
    depth_before: depthBefore ?? 0,
    depth_after: depthAfter ?? 0,
    reasons: blockers.map(({ text: text3 }) => text3)
  };
}

// lib/toolstack/api/session.ts
init_XapiClient();
import { timingSafeEqual, createHash } from "node:crypto";
var loginParams = { uname: "string", pwd: "string", version: "string", originator: "string" };
var loginOptions = { needsSession: false, hasAsync: false, fallbacks: { version: "", originator: "" } };
var sessionMethods = [
  method(["session.login_with_password", loginParams, "ref"], login, loginOptions),
  method(["session.slave_local_login_with_password", { uname: "string", pwd: "string" }, "ref"], login, {
    needsSession: false,
    hasAsync: false
  }),
  method(["session.logout", {}, "void"], logout, { hasAsync: false }),
  method(["session.local_logout", {}, "void"], logout, { hasAsync: false })
];
function login(call, { uname, pwd, originator }) {
  const { store, system, host: host2, credentials } = call.services;
  if (call.caller.transport === "tcp") {
    const isKnown2 = credentials !== void 0 && same(uname, credentials.user) && same(pwd, credentials.password);
    if (!isKnown2) throw new XapiError("SESSION_AUTHENTICATION_FAILED", [uname, "Authentication failure"]);
  }
  return store.create("session", {
    this_host: host2,
    last_active: xapiDate(system.now()),
    pool: true,
    is_local_superuser: true,
    auth_user_name: uname,
    originator: originator ?? ""
  });
}
function logout(call) {
  call.services.store.remove("session", call.session);
  forgetSubscriptions(call);
}
function same(a, b) {
  const [left, right] = [a, b].map((text3) => createHash("sha256").update(text3).digest());
  return left !== void 0 && right !== void 0 && timingSafeEqual(left, right);
}

// lib/toolstack/api/sr.ts
init_XapiClient();
var created2 = {
  host: "ref",
  device_config: "map",
  physical_size: "int",
  name_label: "string",
  name_description: "string",
  type: "string",
  content_type: "string",
  shared: "bool",
  sm_config: "map"
};
var introduced2 = {
  uuid: "string",
  name_label: "string",
  name_description: "string",
  type: "string",
  content_type: "string",
  shared: "bool",
  sm_config: "map"
};
var probed = { host: "ref", device_config: "map", type: "string", sm_config: "map" };
var noSmConfig = { fallbacks: { sm_config: {} } };
var sr = { sr: "ref" };
var maxScans = 10;
var srMethods = [
  method(["SR.create", created2, "ref"], createSr, noSmConfig),
  method(["SR.introduce", introduced2, "ref"], introduceSr, noSmConfig),
  method(["SR.probe", probed, "string"], probe, noSmConfig),
  method(["SR.scan", sr, "void"], (call, { sr: self5 }) => onPlugged(call, self5, "scan", () => scan(call, self5))),
  method(
    ["SR.update", sr, "void"],
    (call, { sr: self5 }) => onPlugged(
      call,
      self5,
      "update",
      () => fromStorage(self5, call.services.storage.SR.stat(dbg(call), srUuid(call, self5)))
    )
  ),
  method(["SR.destroy", sr, "void"], destroySr),
  method(["SR.forget", sr, "void"], forgetSr),
  method(
    ["SR.get_supported_types", {}, "strings"],
    ({ services: { store } }) => store.refs("SM").map((sm) => store.get("SM", sm).type)
  )
];
async function createSr(call, args) {
  const { store, storage, log } = call.services;
  store.get("host", args.host);
  const type = knownType(call, args.type);
  refuseMaster(args.device_config);
  const { name_label, name_description, content_type, shared, sm_config } = args;
  const ref = store.create("SR", { name_label, name_description, type, content_type, shared, sm_config });
  const pbd = store.create("PBD", { host: args.host, SR: ref, device_config: args.device_config });
  try {
    await fromStorage(ref, storage.SR.create(dbg(call), srUuid(call, ref), args.physical_size));
  } catch (error) {
    removeRecords(call, ref);
    throw error;
  }
  try {
    await plugPbd(call, pbd);
  } catch (error) {
    log.error(`SR ${store.get("SR", ref).uuid} was made but not plugged: ${String(error)}`);
  }
  return ref;
}
function introduceSr(call, args) {
  const type = knownType(call, args.type);
  if (!isUuid(args.uuid)) throw new XapiError("UUID_INVALID", ["SR", args.uuid]);
  if (call.services.store.where("SR", "uuid", args.uuid).length > 0) throw new XapiError("SR_UUID_EXISTS", [args.uuid]);
  return call.services.store.create("SR", { ...args, type });
}
function probe(call, args) {
  const { store, storage } = call.services;
  store.get("host", args.host);
  const type = knownType(call, args.type);
  const [sm] = store.where("SM", "type", type);
  const features = sm === void 0 ? {} : store.get("SM", sm).features;
  if (!Object.hasOwn(features, "SR_PROBE")) throw new XapiError("SR_OPERATION_NOT_SUPPORTED", [""]);
  const { device_config, sm_config } = args;
  return fromStorage("", storage.SR.probe(dbg(call), { type, device_config, sm_config }));
}
async function scan(call, self5) {
  const { store, storage } = call.services;
  const disks = () => [...store.where("VDI", "SR", self5)].sort().join();
  for (let scans = 0, before = ""; scans < maxScans; scans += 1) {
    before = disks();
    await fromStorage(self5, storage.SR.scan(dbg(call), srUuid(call, self5)));
    if (disks() === before) break;
  }
  await fromStorage(self5, storage.SR.stat(dbg(call), srUuid(call, self5)));
  const sizes = store.where("VDI", "SR", self5).map((vdi) => store.get("VDI", vdi).virtual_size);
  const otherConfig = withoutKey(store.get("SR", self5).other_config, "dirty");
  const allocation = sizes.reduce((sum, size) => sum + size, 0);
  store.update("SR", self5, { virtual_allocation: allocation, other_config: otherConfig });
}
async function destroySr(call, { sr: self5 }) {
  const { store, storage, operations: operations2 } = call.services;
  await operations2.run(call, [{ className: "SR", ref: self5, operation: "destroy" }], async () => {
    const pbds = store.where("PBD", "SR", self5);
    const show = (attached) => {
      for (const pbd of pbds) store.update("PBD", pbd, { currently_attached: attached });
    };
    await fromStorage(self5, storage.SR.attach(dbg(call), srUuid(call, self5)));
    show(true);
    try {
      await fromStorage(self5, storage.SR.destroy(dbg(call), srUuid(call, self5)));
    } catch (error) {
      await detachAfterFailure(call, self5);
      throw error;
    } finally {
      show(false);
    }
    removeRecords(call, self5);
  });
}
async function detachAfterFailure(call, self5) {
  const { storage, log } = call.services;
  try {
    await storage.SR.detach(dbg(call), srUuid(call, self5));
  } catch (error) {
    log.error(`detaching the SR after it could not be destroyed: ${String(error)}`);
  }
}
async function forgetSr(call, { sr: self5 }) {
  const mark = { className: "SR", ref: self5, operation: "forget" };
  await call.services.operations.run(call, [mark], () => {
    removeRecords(call, self5);
    return Promise.resolve();
  });
}
function onPlugged(call, ref, operation, body) {
  return call.services.operations.run(call, [{ className: "SR", ref, operation }], () => {
    requirePlugged(call, ref);
    return body();
  });
}
function removeRecords(call, self5) {
  const { store } = call.services;
  for (const vdi of store.where("VDI", "SR", self5)) {
    for (const vbd of store.where("VBD", "VDI", vdi)) store.remove("VBD", vbd);
    store.remove("VDI", vdi);
  }
  for (const pbd of store.where("PBD", "SR", self5)) store.remove("PBD", pbd);
  store.remove("SR", self5);
}
function knownType(call, given) {
  const type = given.toLowerCase();
  if (call.services.store.where("SM", "type", type).length === 0) throw new XapiError("SR_UNKNOWN_DRIVER", [given]);
  return type;
}

// lib/toolstack/api/task.ts
init_XapiClient();

// lib/toolstack/Call.ts
init_XapiClient();
init_field();
var smSessionKey = "_sm_session";
var Call = class {
  services;
  method;
  caller;
  session;
  #task;
  constructor(services, method2, context) {
    this.services = services;
    this.method = method2;
    this.caller = context.caller;
    this.session = context.session ?? nullRef;
    this.#task = context.task;
  }
  /** The task that this call runs in; made when something asks for it, gone when the call ends. */
  get task() {
    this.#task ??= createTask(this.services, this.method, this.caller.subtaskOf);
    return this.#task;
  }
  /** Removes the task of a call that has one of its own. */
  end() {
    if (this.#task !== void 0) this.services.store.remove("task", this.#task);
  }
  /** Throws XapiError PERMISSION_DENIED unless the session was made for a plugin run on this SR (spec smapi 9.1). */
  requireSmSession(sr2) {
    const session2 = this.services.store.find("session", this.session);
    if (session2?.other_config[smSessionKey] !== sr2) throw new XapiError("PERMISSION_DENIED", [""]);
  }
};
function createTask(services, label, subtaskOf) {
  const { store, system, host: host2 } = services;
  const isTask = subtaskOf !== void 0 && store.has("task", subtaskOf);
  return store.create("task", {
    name_label: label,
    created: xapiDate(system.now()),
    status: "pending",
    resident_on: host2,
    type: "<none/>",
    allowed_operations: ["cancel", "destroy"],
    subtask_of: isTask ? subtaskOf : nullRef
  });
}

// lib/toolstack/api/task.ts
var self2 = { self: "ref" };
var taskMethods = [
  method(["task.create", { label: "string", description: "string" }, "ref"], (call, { label, description }) => {
    const task2 = createTask(call.services, label, call.caller.subtaskOf);
    call.services.store.update("task", task2, { name_description: description });
    return task2;
  }),
  method(["task.destroy", self2, "void"], (call, task2) => {
    call.services.store.get("task", task2.self);
    call.services.store.remove("task", task2.self);
  }),
  method(["task.cancel", { task: "ref" }, "void"], (call, { task: task2 }) => {
    const { status } = call.services.store.get("task", task2);
    if (status !== "pending") throw new XapiError("OPERATION_NOT_ALLOWED", [`task is ${status}`]);
    call.services.store.update("task", task2, { status: "cancelling" });
  })
];

// lib/toolstack/api/vbd.ts
init_XapiClient();
init_field();

// lib/toolstack/api/vm-drives.ts
init_XapiClient();
init_field();
async function attachDrive(call, vbd) {
  const { store, vmOptions } = call.services;
  const { VDI: vdi, mode, userdevice, currently_attached: attached } = store.get("VBD", vbd);
  if (attached) return;
  if (vdi !== nullRef) {
    requirePlugged(call, srOf(call, vdi));
    requireFree(call, vdi, mode);
    store.update("VBD", vbd, { reserved: true });
    try {
      if (vmOptions.attachDisks) await open4(call, vdi, mode === "RW");
    } catch (error) {
      store.update("VBD", vbd, { reserved: false });
      throw error;
    }
  }
  store.update("VBD", vbd, { currently_attached: true, reserved: false, device: deviceName(userdevice) });
}
async function closeDisks(call, vm2) {
  for (const { VDI: vdi } of disksInUse(call, vm2)) await close(call, vdi);
}
async function openDisks(call, vm2) {
  const opened = [];
  try {
    for (const { VDI: vdi, mode } of disksInUse(call, vm2)) {
      await open4(call, vdi, mode === "RW");
      opened.push(vdi);
    }
  } catch (error) {
    for (const vdi of opened.reverse()) {
      await close(call, vdi).catch((second) => {
        call.services.log.error(`a disk of a VM that was not resumed stays open: ${String(second)}`);
      });
    }
    throw error;
  }
}
function disksInUse({ services: { store, vmOptions } }, vm2) {
  if (!vmOptions.attachDisks) return [];
  const drives = store.where("VBD", "VM", vm2).map((vbd) => store.get("VBD", vbd));
  return drives.filter((drive) => drive.currently_attached && drive.VDI !== nullRef);
}
async function detachDrive(call, vbd) {
  const { store, vmOptions } = call.services;
  const { VM: vm2, VDI: vdi, currently_attached: attached } = store.get("VBD", vbd);
  if (!attached) return;
  const isOpen = vmOptions.attachDisks && store.get("VM", vm2).power_state !== "Suspended";
  if (vdi !== nullRef && isOpen) await close(call, vdi);
  store.update("VBD", vbd, { currently_attached: false, reserved: false });
}
function requireFree(call, vdi, mode) {
  const { store } = call.services;
  if (store.get("VDI", vdi).sharable) return;
  const others = store.where("VBD", "VDI", vdi).map((other) => store.get("VBD", other));
  const using = others.filter((other) => other.currently_attached || other.reserved);
  if (using.some((other) => mode === "RW" || other.mode === "RW")) throw new XapiError("VDI_IN_USE", [vdi, "attach"]);
}
async function open4(call, vdi, writable) {
  const { store, storage } = call.services;
  const sr2 = srOf(call, vdi);
  const [context, where] = [dbg(call), place(call, vdi)];
  await fromStorage(sr2, optional(storage.VDI.epoch_begin(context, where)));
  await fromStorage(sr2, storage.VDI.attach2(context, where, writable));
  try {
    if (Object.hasOwn(featuresOf(store, sr2), "VDI_ACTIVATE")) {
      await fromStorage(sr2, storage.VDI.activate(context, where, writable));
    }
  } catch (error) {
    await storage.VDI.detach(context, where).catch((second) => {
      call.services.log.error(`a disk that could not be activated stays attached: ${String(second)}`);
    });
    throw error;
  }
  if (writable) forgetContentId(call, vdi);
}
async function close(call, vdi) {
  const { store, storage } = call.services;
  const sr2 = srOf(call, vdi);
  const [context, where] = [dbg(call), place(call, vdi)];
  if (Object.hasOwn(featuresOf(store, sr2), "VDI_ACTIVATE")) {
    await fromStorage(sr2, storage.VDI.deactivate(context, where));
  }
  await fromStorage(sr2, storage.VDI.detach(context, where));
  await fromStorage(sr2, optional(storage.VDI.epoch_end(context, where)));
  const { other_config: config } = store.get("VDI", vdi);
  if (!Object.hasOwn(config, "content_id")) {
    store.update("VDI", vdi, { other_config: { ...config, content_id: call.services.system.newUuid() } });
  }
}
function forgetContentId(call, vdi) {
  const { store } = call.services;
  store.update("VDI", vdi, { other_config: withoutKey(store.get("VDI", vdi).other_config, "content_id") });
}
async function optional(calling) {
  try {
    await calling;
  } catch (error) {
    if (!(error instanceof Unimplemented)) throw error;
  }
}
function deviceName(userdevice) {
  const letters = "abcdefghijklmnopqrstuvwxyz";
  const number = Number(userdevice);
  return number < letters.length ? `xvd${letters.charAt(number)}` : `d${userdevice}`;
}

// lib/toolstack/api/vbd.ts
var self3 = { self: "ref" };
var vbdMethods = [
  method(["VBD.create", { record: "struct" }, "ref"], (call, { record }) => createVbd(call, record)),
  method(["VBD.destroy", self3, "void"], (call, vbd) => {
    const { store } = call.services;
    if (store.get("VBD", vbd.self).currently_attached) {
      throw new XapiError("OPERATION_NOT_ALLOWED", [`VBD '${store.get("VBD", vbd.self).uuid}' still attached`]);
    }
    store.remove("VBD", vbd.self);
  }),
  method(["VBD.plug", self3, "void"], (call, vbd) => plug(call, vbd.self)),
  method(["VBD.unplug", self3, "void"], (call, vbd) => unplug(call, vbd.self)),
  method(["VBD.insert", { vbd: "ref", vdi: "ref" }, "void"], (call, { vbd, vdi }) => insert(call, vbd, vdi)),
  method(["VBD.eject", { vbd: "ref" }, "void"], (call, { vbd }) => eject(call, vbd)),
  method(["VIF.create", { record: "struct" }, "ref"], (call, { record }) => createVif(call, record)),
  method(["VIF.destroy", self3, "void"], (call, vif) => {
    call.services.store.get("VIF", vif.self);
    call.services.store.remove("VIF", vif.self);
  }),
  method(
    ["network.create", { record: "struct" }, "ref"],
    (call, { record }) => call.services.store.create("network", {
      name_label: readMember(record, "name_label", "string", ""),
      name_description: readMember(record, "name_description", "string", ""),
      other_config: readMember(record, "other_config", "map", {}),
      MTU: readMember(record, "MTU", "int", 1500),
      managed: true,
      default_locking_mode: "unlocked"
    })
  ),
  method(["network.destroy", self3, "void"], (call, network2) => {
    const { store } = call.services;
    const used = store.where("VIF", "network", network2.self);
    if (used.length > 0) throw new XapiError("NETWORK_CONTAINS_VIF", [...used]);
    store.get("network", network2.self);
    store.remove("network", network2.self);
  })
];
function createVbd(call, record) {
  const { store } = call.services;
  const VM2 = readMember(record, "VM", "ref");
  const VDI2 = readMember(record, "VDI", "ref", nullRef);
  const type = readMember(record, "type", "string", "Disk");
  const mode = readMember(record, "mode", "string", "RW");
  const empty2 = readMember(record, "empty", "bool", VDI2 === nullRef);
  store.get("VM", VM2);
  requireEnum("mode", mode, ["RO", "RW"]);
  requireEnum("type", type, ["CD", "Disk", "Floppy"]);
  if (type === "CD" && mode !== "RO") throw new XapiError("VBD_CDS_MUST_BE_READONLY", []);
  if (type !== "CD" && empty2) throw new XapiError("VBD_NOT_REMOVABLE_MEDIA", [nullRef]);
  if (!empty2 && store.get("VDI", VDI2).read_only && mode === "RW") throw new XapiError("VDI_READONLY", [VDI2]);
  return store.create("VBD", {
    VM: VM2,
    VDI: empty2 ? nullRef : VDI2,
    type,
    mode,
    empty: empty2,
    userdevice: chooseDevice(store, VM2, readMember(record, "userdevice", "string", "autodetect")),
    bootable: readMember(record, "bootable", "bool", false),
    unpluggable: readMember(record, "unpluggable", "bool", true),
    other_config: readMember(record, "other_config", "map", {}),
    qos_algorithm_type: readMember(record, "qos_algorithm_type", "string", ""),
    qos_algorithm_params: readMember(record, "qos_algorithm_params", "map", {})
  });
}
function requireEnum(field, value, allowed) {
  if (!allowed.includes(value)) throw new XapiError("INVALID_VALUE", [field, value]);
}
function chooseDevice(store, vm2, wanted) {
  const taken = new Set(store.where("VBD", "VM", vm2).map((vbd) => store.get("VBD", vbd).userdevice));
  if (wanted === "autodetect") {
    let free = 0;
    while (taken.has(String(free))) free += 1;
    return String(free);
  }
  if (!/^(0|[1-9]\d{0,2})$/.test(wanted) || Number(wanted) > 254) throw new XapiError("INVALID_DEVICE", [wanted]);
  if (taken.has(wanted)) throw new XapiError("DEVICE_ALREADY_EXISTS", [wanted]);
  return wanted;
}
async function plug(call, vbd) {
  const { store } = call.services;
  const { VM: VM2, currently_attached: attached } = store.get("VBD", vbd);
  const { power_state: state } = store.get("VM", VM2);
  if (state !== "Running") throw new XapiError("VM_BAD_POWER_STATE", [VM2, "running", state.toLowerCase()]);
  if (attached) throw new XapiError("DEVICE_ALREADY_ATTACHED", [vbd]);
  await attachDrive(call, vbd);
}
async function unplug(call, vbd) {
  if (!call.services.store.get("VBD", vbd).currently_attached) {
    throw new XapiError("DEVICE_ALREADY_DETACHED", [vbd]);
  }
  await detachDrive(call, vbd);
}
async function insert(call, vbd, vdi) {
  const { store } = call.services;
  const drive = store.get("VBD", vbd);
  store.get("VDI", vdi);
  if (drive.type !== "CD") throw new XapiError("VBD_NOT_REMOVABLE_MEDIA", [vbd]);
  if (!drive.empty) throw new XapiError("VBD_NOT_EMPTY", [vbd]);
  store.update("VBD", vbd, { VDI: vdi, empty: false });
  if (store.get("VM", drive.VM).power_state === "Running") await attachDrive(call, vbd);
}
async function eject(call, vbd) {
  const { store } = call.services;
  const drive = store.get("VBD", vbd);
  if (drive.type !== "CD") throw new XapiError("VBD_NOT_REMOVABLE_MEDIA", [vbd]);
  if (drive.empty) throw new XapiError("VBD_IS_EMPTY", [vbd]);
  if (drive.currently_attached) await detachDrive(call, vbd);
  store.update("VBD", vbd, { VDI: nullRef, empty: true });
}
function createVif(call, record) {
  const { store, system } = call.services;
  const VM2 = readMember(record, "VM", "ref");
  const network2 = readMember(record, "network", "ref");
  const device = readMember(record, "device", "string", "0");
  const MAC = readMember(record, "MAC", "string", "");
  store.get("VM", VM2);
  store.get("network", network2);
  if (!/^(0|[1-9]\d{0,2})$/.test(device)) throw new XapiError("INVALID_DEVICE", [device]);
  if (store.where("VIF", "VM", VM2).some((vif) => store.get("VIF", vif).device === device)) {
    throw new XapiError("DEVICE_ALREADY_EXISTS", [device]);
  }
  if (MAC !== "" && !/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(MAC)) throw new XapiError("MAC_INVALID", [MAC]);
  return store.create("VIF", {
    VM: VM2,
    network: network2,
    device,
    MAC: MAC === "" ? randomAddress(system.newUuid()) : MAC.toLowerCase(),
    MAC_autogenerated: MAC === "",
    MTU: readMember(record, "MTU", "int", 1500),
    other_config: readMember(record, "other_config", "map", {}),
    locking_mode: "network_default"
  });
}

// lib/toolstack/api/vdi-cbt.ts
init_XapiClient();
var self4 = { self: "ref" };
var range = { vdi_from: "ref", vdi_to: "ref" };
var onBoot = { self: "ref", value: "string" };
var vdiCbtMethods = [
  method(["VDI.enable_cbt", self4, "void"], (call, vdi) => toggle(call, vdi.self, "enable_cbt")),
  method(["VDI.disable_cbt", self4, "void"], (call, vdi) => toggle(call, vdi.self, "disable_cbt")),
  method(["VDI.data_destroy", self4, "void"], (call, vdi) => destroyData(call, vdi.self)),
  method(["VDI.list_changed_blocks", range, "string"], (call, args) => changedBlocks(call, args.vdi_from, args.vdi_to)),
  method(["VDI.set_on_boot", onBoot, "void"], (call, args) => setOnBoot(call, args.self, args.value))
];
function toggle(call, vdi, operation) {
  return marked2(call, vdi, operation, () => call.services.storage.VDI[operation](dbg(call), place(call, vdi)));
}
function destroyData(call, vdi) {
  const { store, storage } = call.services;
  return marked2(call, vdi, "data_destroy", async () => {
    const { type } = store.get("VDI", vdi);
    store.update("VDI", vdi, { type: "cbt_metadata" });
    try {
      await storage.VDI.data_destroy(dbg(call), place(call, vdi));
    } catch (error) {
      store.update("VDI", vdi, { type });
      throw error;
    }
  });
}
function changedBlocks(call, from, to) {
  const { store, storage } = call.services;
  store.get("VDI", to);
  return marked2(
    call,
    from,
    "list_changed_blocks",
    () => storage.VDI.list_changed_blocks(dbg(call), place(call, from), place(call, to))
  );
}
function setOnBoot(call, vdi, value) {
  if (value !== "persist" && value !== "reset") throw new XapiError("INVALID_VALUE", ["value", value]);
  const { VDI: VDI2 } = call.services.storage;
  return marked2(call, vdi, "set_on_boot", () => VDI2.set_persistent(dbg(call), place(call, vdi), value === "persist"));
}
function marked2(call, vdi, operation, body) {
  const sr2 = srOf(call, vdi);
  const marks = [
    { className: "SR", ref: sr2, operation: `vdi_${operation}` },
    { className: "VDI", ref: vdi, operation }
  ];
  return onVdi(call, marks, sr2, () => {
    requireManaged(call, vdi);
    return fromStorage(sr2, body());
  });
}

// lib/toolstack/api/vm-power.ts
init_XapiClient();
init_field();
var vm = { vm: "ref" };
var started = { vm: "ref", start_paused: "bool", force: "bool" };
var startedOn = { vm: "ref", host: "ref", start_paused: "bool", force: "bool" };
var vmPowerMethods = [
  method(
    ["VM.start", started, "void"],
    (call, args) => marked3(call, args.vm, "start", () => startVm(call, args.vm, args.start_paused))
  ),
  method(["VM.start_on", startedOn, "void"], (call, args) => {
    call.services.store.get("host", args.host);
    return marked3(call, args.vm, "start", () => startVm(call, args.vm, args.start_paused));
  }),
  change2("pause", (on) => setPower(on, "Paused")),
  change2("unpause", (on) => setPower(on, "Running")),
  change2("clean_shutdown", (on) => haltVm(on.call, on.vm)),
  change2("hard_shutdown", (on) => haltVm(on.call, on.vm)),
  change2("clean_reboot", reboot),
  change2("hard_reboot", reboot),
  change2("suspend", (on) => suspendVm(on.call, on.vm)),
  method(
    ["VM.resume", started, "void"],
    (call, args) => marked3(call, args.vm, "resume", () => resumeVm(call, args.vm, args.start_paused))
  )
];
function change2(name, body) {
  return method(
    [`VM.${name}`, vm, "void"],
    (call, args) => marked3(call, args.vm, name, () => body({ call, vm: args.vm }))
  );
}
function marked3(call, ref, operation, body) {
  return call.services.operations.run(call, [{ className: "VM", ref, operation }], body);
}
async function startVm(call, ref, paused) {
  const { store, host: host2 } = call.services;
  await attachDrives(call, ref);
  store.update("VM", ref, { power_state: paused ? "Paused" : "Running", resident_on: host2 });
}
async function attachDrives(call, ref) {
  const { store, log } = call.services;
  const attached = [];
  try {
    for (const vbd of store.where("VBD", "VM", ref)) {
      if (store.get("VBD", vbd).currently_attached) continue;
      await attachDrive(call, vbd);
      attached.push(vbd);
    }
  } catch (error) {
    for (const vbd of attached.reverse()) {
      await detachDrive(call, vbd).catch((second) => {
        log.error(`a drive of a VM that did not start stays attached: ${String(second)}`);
      });
    }
    throw error;
  }
}
function setPower({ call, vm: ref }, state) {
  call.services.store.update("VM", ref, { power_state: state });
  return Promise.resolve();
}
async function reboot({ call, vm: ref }) {
  await haltVm(call, ref);
  await startVm(call, ref, false);
}
async function haltVm(call, ref) {
  const { store } = call.services;
  for (const vbd of store.where("VBD", "VM", ref)) await detachDrive(call, vbd);
  const { suspend_VDI: suspended } = store.get("VM", ref);
  store.update("VM", ref, { power_state: "Halted", resident_on: nullRef, suspend_VDI: nullRef });
  if (store.has("VDI", suspended)) await destroyVdi(call, suspended);
}
async function suspendVm(call, ref) {
  const { store } = call.services;
  const image = await makeSuspendImage(call, ref);
  try {
    await closeDisks(call, ref);
  } catch (error) {
    await destroyVdi(call, image);
    throw error;
  }
  store.update("VM", ref, { power_state: "Suspended", resident_on: nullRef, suspend_VDI: image });
}
async function makeSuspendImage(call, ref) {
  const { operations: operations2, store, host: host2, pool: pool2 } = call.services;
  const vmRecord = store.get("VM", ref);
  const candidates = [
    vmRecord.suspend_SR,
    store.get("host", host2).suspend_image_sr,
    store.get("pool", pool2).suspend_image_SR,
    store.get("pool", pool2).default_SR
  ];
  const sr2 = candidates.find((candidate) => store.has("SR", candidate));
  if (sr2 === void 0) throw new XapiError("VM_NO_SUSPEND_SR", [ref]);
  const mebibyte = 1024 * 1024;
  const image = {
    name_label: "Suspend image",
    name_description: `Saved memory of ${vmRecord.name_label}`,
    ty: "suspend",
    virtual_size: Math.max(mebibyte, Math.ceil(vmRecord.memory_static_max / mebibyte) * mebibyte),
    read_only: false,
    sm_config: {}
  };
  const mark = { className: "SR", ref: sr2, operation: "vdi_create" };
  return operations2.run(call, [mark], () => makeDisk(call, sr2, image, {}));
}
async function resumeVm(call, ref, paused) {
  const { store, host: host2 } = call.services;
  const { suspend_VDI: image } = store.get("VM", ref);
  if (!store.has("VDI", image)) throw new XapiError("VM_HAS_NO_SUSPEND_VDI", [ref]);
  await openDisks(call, ref);
  await attachDrives(call, ref);
  store.update("VM", ref, { power_state: paused ? "Paused" : "Running", resident_on: host2, suspend_VDI: nullRef });
  await destroyVdi(call, image);
}

// lib/toolstack/api/vm-revert.ts
init_XapiClient();
init_field();

// lib/toolstack/api/vm-metadata.ts
init_field();
init_schema();
function serialiseVm(vm2) {
  return JSON.stringify(vm2);
}
function parseVm(text3) {
  const fields = parse2(text3);
  if (!isObject(fields)) return {};
  const known = Object.entries(fields).filter(([name, value]) => {
    const type = fieldTypeOf("VM", name);
    return type !== void 0 && isOfType(value, type);
  });
  return Object.fromEntries(known);
}
function parse2(text3) {
  try {
    return JSON.parse(text3);
  } catch (error) {
    if (error instanceof SyntaxError) return void 0;
    throw error;
  }
}

// lib/toolstack/api/vm-revert-disks.ts
init_XapiClient();
init_field();

// lib/toolstack/api/vm.ts
init_XapiClient();
init_field();
init_schema();
var cloned = { vm: "ref", new_name: "string" };
var vmMethods = [
  method(["VM.create", { record: "struct" }, "ref"], (call, { record }) => createVm(call, record)),
  method(
    ["VM.destroy", { self: "ref" }, "void"],
    (call, { self: self5 }) => call.services.operations.run(
      call,
      [{ className: "VM", ref: self5, operation: "destroy" }],
      () => destroyVm(call, self5)
    )
  ),
  method(["VM.clone", cloned, "ref"], (call, { vm: vm2, new_name }) => cloneVm(call, vm2, new_name))
];
var ownFields = /* @__PURE__ */ new Set([
  ...["uuid", "allowed_operations", "current_operations", "power_state", "resident_on", "domid", "is_control_domain"],
  ...["VBDs", "VIFs", "snapshots", "children", "parent", "is_a_snapshot", "snapshot_of", "snapshot_time"],
  ...["snapshot_info", "snapshot_metadata", "suspend_VDI", "metrics", "guest_metrics", "scheduled_to_be_resident_on"]
]);
var defaults2 = {
  power_state: "Halted",
  domid: -1,
  actions_after_softreboot: "soft_reboot",
  actions_after_shutdown: "destroy",
  actions_after_reboot: "restart",
  actions_after_crash: "restart",
  HVM_shadow_multiplier: 1,
  domain_type: "unspecified"
};
function createVm(call, record) {
  const given = Object.keys(schema.VM.fields).filter((field) => Object.hasOwn(record, field) && !ownFields.has(field));
  const fields = given.map((field) => {
    const type = fieldTypeOf("VM", field);
    if (type === void 0) throw new TypeError(`VM has no field ${field}`);
    return [field, readArgument(field, record[field], type)];
  });
  const { store, system } = call.services;
  const generated = { generation_id: system.newUuid() };
  return store.create("VM", { ...defaults2, ...generated, ...Object.fromEntries(fields) });
}
async function destroyVm(call, self5) {
  const { store } = call.services;
  const { suspend_VDI: suspended, parent } = store.get("VM", self5);
  if (store.has("VDI", suspended)) await destroyVdi(call, suspended);
  for (const vbd of store.where("VBD", "VM", self5)) store.remove("VBD", vbd);
  for (const vif of store.where("VIF", "VM", self5)) store.remove("VIF", vif);
  for (const child of store.where("VM", "parent", self5)) store.update("VM", child, { parent });
  store.remove("VM", self5);
}
async function cloneVm(call, vm2, newName) {
  const { store, operations: operations2, system } = call.services;
  return operations2.run(call, [{ className: "VM", ref: vm2, operation: "clone" }], async () => {
    if (store.get("VM", vm2).power_state !== "Halted") {
      throw new XapiError("VM_BAD_POWER_STATE", [vm2, "halted", store.get("VM", vm2).power_state.toLowerCase()]);
    }
    const disks = await duplicateDisks(call, disksOf(store, vm2), (disk) => cloneVdi(call, disk, {}));
    const clone = store.create("VM", {
      ...store.get("VM", vm2),
      uuid: system.newUuid(),
      name_label: newName,
      current_operations: {},
      is_a_snapshot: false,
      is_default_template: false,
      snapshot_of: nullRef,
      snapshot_info: {},
      snapshot_metadata: "",
      parent: nullRef,
      generation_id: system.newUuid()
    });
    copyVbds(call, { from: vm2, to: clone, disks, otherConfig: { owner: "" } });
    copyVifs(call, { from: vm2, to: clone, keepAddresses: false });
    return clone;
  });
}
async function duplicateDisks(call, disks, duplicate) {
  const made = /* @__PURE__ */ new Map();
  try {
    for (const disk of disks) made.set(disk, await duplicate(disk));
    return made;
  } catch (error) {
    await removeDisks(call, [...made.values()]);
    throw error;
  }
}
async function removeDisks(call, disks) {
  for (const disk of disks) {
    try {
      await destroyVdi(call, disk);
    } catch (error) {
      call.services.log.error(`a disk of a failed operation stays: ${String(error)}`);
    }
  }
}

// lib/toolstack/api/vm-revert-disks.ts
async function revertDisks(call, snapshot, vm2) {
  const { store } = call.services;
  const pair = { snapshot, vm: vm2 };
  const disks = disksOf(store, snapshot);
  const reverted = await revertInPlace(call, disks);
  const replaced = disksToReplace(call, pair, reverted);
  for (const disk of replaced) checkVdiOperation(store, disk, "destroy");
  const clones = await cloneRest(call, pair, reverted);
  swapDrives(call, pair, { clones, reverted, replaced });
  await call.services.save();
  await destroyReplaced(call, replaced);
}
async function revertInPlace(call, disks) {
  const reverted = /* @__PURE__ */ new Set();
  for (const disk of disks) {
    try {
      await revertVdi(call, disk);
      reverted.add(disk);
    } catch (error) {
      if (!isRevertRefusal(error) && !isMissingOriginal(call, disk, error)) throw error;
    }
  }
  return reverted;
}
function isMissingOriginal(call, disk, error) {
  const { store, vmOptions } = call.services;
  const { snapshot_of: original } = store.get("VDI", disk);
  const isUnknown = error instanceof XapiError && error.code === "HANDLE_INVALID" && error.params[1] === original;
  return vmOptions.restoreMissingDisks && isUnknown;
}
function disksToReplace(call, { snapshot, vm: vm2 }, reverted) {
  const { store } = call.services;
  const originals = (snapshots) => new Set([...snapshots].map((disk) => store.get("VDI", disk).snapshot_of));
  const known = originals(disksOf(store, snapshot));
  const inPlace = originals(reverted);
  const { suspend_VDI: memory } = store.get("VM", vm2);
  const disks = disksOf(store, vm2).filter((disk) => known.has(disk) && !inPlace.has(disk));
  return memory === nullRef ? disks : [...disks, memory];
}
function cloneRest(call, { snapshot }, reverted) {
  const { store, system } = call.services;
  const { suspend_VDI: memory } = store.get("VM", snapshot);
  const rest = disksOf(store, snapshot).filter((disk) => !reverted.has(disk));
  const epochhint = system.newUuid();
  const wanted = store.has("VDI", memory) ? [...rest, memory] : rest;
  return duplicateDisks(call, wanted, (disk) => cloneVdi(call, disk, { epochhint }));
}
function swapDrives(call, pair, swap) {
  const { store } = call.services;
  const { snapshot, vm: vm2 } = pair;
  dropDrives(call, pair, swap);
  for (const [disk, clone] of swap.clones) {
    const { snapshot_of: original, is_a_snapshot: isSnapshot } = store.get("VDI", disk);
    if (isSnapshot && original !== nullRef) adoptSnapshots(call, original, clone);
  }
  const memory = swap.clones.get(store.get("VM", snapshot).suspend_VDI) ?? nullRef;
  const detached = call.services.vmOptions.restoreMissingDisks ? detachedDisks(call, pair, swap.reverted) : [];
  copyVbds(call, { from: snapshot, to: vm2, disks: new Map([...swap.clones, ...detached]) });
  store.update("VM", vm2, { suspend_VDI: memory });
}
function dropDrives(call, { snapshot, vm: vm2 }, { replaced }) {
  const { store } = call.services;
  const known = new Set(disksOf(store, snapshot).map((disk) => store.get("VDI", disk).snapshot_of));
  const clonedFor = new Set(replaced);
  for (const ref of store.where("VBD", "VM", vm2)) {
    const { type, VDI: VDI2 } = store.get("VBD", ref);
    if (type === "CD" || clonedFor.has(VDI2) || !known.has(VDI2)) store.remove("VBD", ref);
  }
}
function detachedDisks(call, { vm: vm2 }, reverted) {
  const { store } = call.services;
  const attached = new Set(disksOf(store, vm2));
  return [...reverted].map((disk) => [disk, store.get("VDI", disk).snapshot_of]).filter(([, original]) => !attached.has(original));
}
async function destroyReplaced(call, disks) {
  const { store } = call.services;
  const existing = disks.filter((disk) => store.has("VDI", disk));
  const isOnDisc = (disk) => store.get("SR", store.get("VDI", disk).SR).content_type === "iso";
  await removeDisks(
    call,
    existing.filter((disk) => !isOnDisc(disk))
  );
}

// lib/toolstack/api/vm-revert.ts
var vmRevertMethods = [
  method(["VM.revert", { snapshot: "ref" }, "void"], (call, { snapshot }) => revertVm(call, snapshot))
];
var kept = /* @__PURE__ */ new Set([
  ...["uuid", "suspend_VDI", "power_state", "parent", "current_operations", "allowed_operations", "metrics"],
  ...["guest_metrics", "resident_on", "domid", "protection_policy", "snapshot_schedule", "snapshots", "tags"],
  ...["scheduled_to_be_resident_on", "affinity", "consoles", "VBDs", "VIFs", "VGPUs", "VUSBs", "VTPMs"],
  ...["attached_PCIs", "is_snapshot_from_vmpp"]
]);
var snapshotsOwn = /* @__PURE__ */ new Set([
  ...["name_label", "is_a_snapshot", "is_a_template", "is_default_template", "snapshot_of", "snapshot_time"],
  ...["transportable_snapshot_id", "children", "snapshot_info", "snapshot_metadata"]
]);
var passedOn = /* @__PURE__ */ new Set([
  ...["SR_BACKEND_FAILURE_44", "SR_BACKEND_FAILURE_109", "VDI_INCOMPATIBLE_TYPE"]
]);
async function revertVm(call, snapshot) {
  const { store, operations: operations2 } = call.services;
  if (!store.get("VM", snapshot).is_a_snapshot) throw new XapiError("REVERT_ONLY_ALLOWED_ON_SNAPSHOT", []);
  const vm2 = store.has("VM", store.get("VM", snapshot).snapshot_of) ? store.get("VM", snapshot).snapshot_of : recreateVm(call, snapshot);
  const marks = [
    { className: "VM", ref: snapshot, operation: "revert" },
    { className: "VM", ref: vm2, operation: "reverting" }
  ];
  await operations2.run(call, marks, async () => {
    requireMemory(call, snapshot);
    try {
      await goBack(call, snapshot, vm2);
    } catch (error) {
      abort(call, { snapshot, vm: vm2, error });
    }
  });
}
function recreateVm(call, snapshot) {
  const { store, system } = call.services;
  const record = store.get("VM", snapshot);
  const metadata = parseVm(record.snapshot_metadata);
  const isTaken = store.where("VM", "uuid", metadata.uuid ?? "").length > 0;
  const vm2 = store.create("VM", {
    ...record,
    ...metadata,
    uuid: metadata.uuid === void 0 || isTaken ? system.newUuid() : metadata.uuid,
    is_a_snapshot: false,
    is_a_template: metadata.is_a_template ?? false,
    snapshot_of: nullRef,
    power_state: "Halted",
    suspend_VDI: nullRef,
    resident_on: nullRef,
    current_operations: {},
    snapshot_info: {},
    snapshot_metadata: ""
  });
  for (const other of store.where("VM", "snapshot_of", record.snapshot_of)) {
    store.update("VM", other, { snapshot_of: vm2 });
  }
  return vm2;
}
function requireMemory(call, snapshot) {
  const { store } = call.services;
  const { power_state: state, suspend_VDI: memory } = store.get("VM", snapshot);
  if (state === "Suspended") requirePlugged(call, store.get("VDI", memory).SR);
}
async function goBack(call, snapshot, vm2) {
  const { store, system } = call.services;
  if (store.get("VM", vm2).power_state !== "Halted") await haltVm(call, vm2);
  restoreFields(call, snapshot, vm2);
  await revertDisks(call, snapshot, vm2);
  for (const vif of store.where("VIF", "VM", vm2)) store.remove("VIF", vif);
  copyVifs(call, { from: snapshot, to: vm2, keepAddresses: true });
  store.update("VM", vm2, { parent: snapshot });
  setPowerState(call, vm2, store.get("VM", snapshot).power_state);
  const { uuid } = store.get("VM", vm2);
  const timestamp = xapiDate(system.now());
  store.create("message", { name: "VM_SNAPSHOT_REVERTED", priority: 5, cls: "VM", obj_uuid: uuid, timestamp });
}
function restoreFields(call, snapshot, vm2) {
  const { store, system } = call.services;
  const record = store.get("VM", snapshot);
  const metadata = parseVm(record.snapshot_metadata);
  const hasMetadata = Object.keys(metadata).length > 0;
  const source = hasMetadata ? metadata : record;
  const restored = Object.entries(source).filter(
    ([field]) => !kept.has(field) && (hasMetadata || !snapshotsOwn.has(field))
  );
  const fields = Object.fromEntries(restored);
  store.update("VM", vm2, { ...fields, ha_always_run: false, generation_id: system.newUuid() });
}
function setPowerState(call, vm2, state) {
  const { store } = call.services;
  const isSuspended = state === "Suspended";
  store.update("VM", vm2, { power_state: isSuspended ? state : "Halted", resident_on: nullRef });
  for (const vbd of store.where("VBD", "VM", vm2)) {
    store.update("VBD", vbd, { currently_attached: isSuspended, reserved: false });
  }
}
function abort(call, { snapshot, vm: vm2, error }) {
  const { store, log } = call.services;
  if (store.has("VM", vm2)) setPowerState(call, vm2, "Halted");
  if (error instanceof XapiError && passedOn.has(error.code)) throw error;
  log.error(`VM.revert: ${error instanceof Error ? error.stack ?? error.message : String(error)}`);
  throw new XapiError("VM_REVERT_FAILED", [snapshot, vm2]);
}

// lib/toolstack/api/vm-snapshot.ts
init_field();
var snapshotted = { vm: "ref", new_name: "string", ignore_vdis: "refs" };
var named = { vm: "ref", new_name: "string" };
var vmSnapshotMethods = [
  method(
    ["VM.snapshot", snapshotted, "ref"],
    (call, { vm: vm2, new_name, ignore_vdis }) => marked4(call, vm2, "snapshot", () => takeSnapshot(call, vm2, { name: new_name, ignored: ignore_vdis })),
    { fallbacks: { ignore_vdis: [] } }
  ),
  method(
    ["VM.checkpoint", named, "ref"],
    (call, { vm: vm2, new_name }) => marked4(call, vm2, "checkpoint", () => takeCheckpoint(call, vm2, new_name))
  )
];
function marked4(call, ref, operation, body) {
  return call.services.operations.run(call, [{ className: "VM", ref, operation }], body);
}
async function takeSnapshot(call, vm2, { name, ignored }) {
  const powerState = call.services.store.get("VM", vm2).power_state;
  const disks = await snapshotDisks(call, vm2, ignored);
  return recordSnapshot(call, vm2, { name, powerState, disks, memory: nullRef, event: "VM_SNAPSHOTTED" });
}
function snapshotDisks(call, vm2, ignored) {
  const epochhint = call.services.system.newUuid();
  const wanted = disksOf(call.services.store, vm2).filter((disk) => !ignored.includes(disk));
  return duplicateDisks(call, wanted, (disk) => snapshotVdi(call, disk, { epochhint }));
}
async function takeCheckpoint(call, vm2, name) {
  const { store } = call.services;
  const powerState = store.get("VM", vm2).power_state;
  if (powerState === "Running") await suspendVm(call, vm2);
  try {
    const disks = await snapshotDisks(call, vm2, []);
    const memory = await cloneMemory(call, vm2, disks);
    return recordSnapshot(call, vm2, { name, powerState, disks, memory, event: "VM_CHECKPOINTED" });
  } finally {
    if (powerState === "Running") await resumeVm(call, vm2, false);
  }
}
async function cloneMemory(call, vm2, disks) {
  try {
    return await cloneVdi(call, call.services.store.get("VM", vm2).suspend_VDI, {});
  } catch (error) {
    await removeDisks(call, [...disks.values()]);
    throw error;
  }
}
function recordSnapshot(call, vm2, { name, powerState, disks, memory, event }) {
  const { store, system } = call.services;
  const original = store.get("VM", vm2);
  const isCheckpoint = memory !== nullRef;
  const time = xapiDate(system.now());
  const snapshot = store.create("VM", {
    ...original,
    uuid: system.newUuid(),
    name_label: name,
    current_operations: {},
    power_state: isCheckpoint ? "Suspended" : "Halted",
    suspend_VDI: memory,
    resident_on: nullRef,
    domid: -1,
    is_a_template: true,
    is_default_template: false,
    is_a_snapshot: true,
    snapshot_of: vm2,
    snapshot_time: time,
    snapshot_info: { "power-state-at-snapshot": powerState, "disk-snapshot-type": "crash_consistent" },
    snapshot_metadata: serialiseVm({ ...original, suspend_VDI: nullRef }),
    transportable_snapshot_id: ""
  });
  store.update("VM", vm2, { parent: snapshot });
  copyVbds(call, { from: vm2, to: snapshot, disks, otherConfig: { owner: "" }, attached: isCheckpoint });
  copyVifs(call, { from: vm2, to: snapshot, keepAddresses: true });
  store.create("message", { name: event, priority: 5, cls: "VM", obj_uuid: original.uuid, timestamp: time });
  return snapshot;
}

// lib/toolstack/api/table.ts
var systemMethods = [
  method(["system.listMethods", {}, "strings"], listMethods, { needsSession: false, hasAsync: false })
];
var calls = [
  ...systemMethods,
  ...sessionMethods,
  ...taskMethods,
  ...eventMethods,
  ...eventQueueMethods,
  ...messageMethods,
  ...hostMethods,
  ...srMethods,
  ...pbdMethods,
  ...vdiMethods,
  ...vdiRecordMethods,
  ...vdiSnapshotMethods,
  ...vdiRevertMethods,
  ...vdiCopyMethods,
  ...vdiCbtMethods,
  ...vbdMethods,
  ...vmMethods,
  ...vmPowerMethods,
  ...vmSnapshotMethods,
  ...vmRevertMethods,
  ...planMethods
];
var byName2 = /* @__PURE__ */ new Map();
for (const call of calls) byName2.set(call.name, [...byName2.get(call.name) ?? [], call]);
function methodsNamed(name) {
  const found2 = byName2.get(name);
  if (found2 !== void 0) return found2;
  const generic = accessor(name);
  return generic === void 0 ? [] : [generic];
}
function listMethods() {
  const names = [...byName2.keys()];
  const async = calls.filter(({ hasAsync }) => hasAsync).map(({ name }) => `Async.${name}`);
  return [.../* @__PURE__ */ new Set([...names, ...async, ...accessorNames()])].sort();
}

// lib/toolstack/Dispatcher.ts
init_types();
var Dispatcher = class {
  #services;
  #running = /* @__PURE__ */ new Set();
  constructor(services) {
    this.#services = services;
  }
  /** Throws XapiError for every failure that a client is to see; unexpected ones become INTERNAL_ERROR. */
  dispatch(request) {
    return this.#tracked(this.#answer(request));
  }
  /** Waits for every call that is running. */
  async settle() {
    while (this.#running.size > 0) await Promise.allSettled(this.#running);
  }
  async #answer(request) {
    const async = /^Async\.(.+)$/.exec(request.method)?.[1];
    try {
      if (async !== void 0) return this.#runInTask(async, request);
      return await this.#durably(() => this.#runNow(request));
    } catch (error) {
      throw this.#clientError(request.method, error);
    }
  }
  /** Also what a failed call has changed must be on disk before anybody hears of it. */
  async #durably(body) {
    try {
      return await body();
    } finally {
      await this.#services.save();
    }
  }
  /** One line for each call that does something; parameters may hold secrets. */
  async #logged(method2, body) {
    if (!method2.hasAsync) return body();
    const { log } = this.#services;
    const started2 = performance.now();
    const say = (outcome) => {
      log.info(`${method2.name}: ${outcome} (${Math.round(performance.now() - started2)} ms)`);
    };
    try {
      const value = await body();
      say("done");
      return value;
    } catch (error) {
      say(error instanceof XapiError ? error.code : "failed");
      throw error;
    }
  }
  async #tracked(running) {
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }
  async #runNow({ method: name, params, caller }) {
    const method2 = choose(name, params, methodsNamed(name));
    const session2 = this.#sessionOf(method2, params);
    const call = new Call(this.#services, name, { caller, session: session2 });
    try {
      const args = argumentsOf(method2, params);
      return new Typed(method2.result, await this.#logged(method2, () => method2.run(call, args)));
    } finally {
      call.end();
    }
  }
  #runInTask(name, { method: asked, params, caller }) {
    const candidates = methodsNamed(name).filter(({ hasAsync }) => hasAsync);
    const method2 = choose(asked, params, candidates);
    const session2 = this.#sessionOf(method2, params);
    const args = argumentsOf(method2, params);
    const task2 = createTask(this.#services, asked, caller.subtaskOf);
    const call = new Call(this.#services, name, { caller, session: session2, task: task2 });
    void this.#tracked(this.#complete(task2, method2, call, args));
    return new Typed("ref", task2);
  }
  /** The client may have destroyed the task meanwhile. */
  async #complete(task2, method2, call, args) {
    const { store, system } = this.#services;
    const finish = (fields) => {
      if (!store.has("task", task2)) return;
      store.update("task", task2, { ...fields, finished: xapiDate(system.now()), allowed_operations: ["destroy"] });
    };
    try {
      const value = await this.#durably(() => this.#logged(method2, () => method2.run(call, args)));
      const { encodeValue: encodeValue3 } = await Promise.resolve().then(() => (init_xml_encode(), xml_encode_exports));
      finish({
        status: "success",
        progress: 1,
        result: method2.result === "void" ? "" : encodeValue3(value, method2.result)
      });
    } catch (error) {
      const { code, params } = this.#clientError(call.method, error);
      finish({ status: "failure", error_info: [code, ...params] });
    }
  }
  #sessionOf(method2, [session2]) {
    if (!method2.needsSession) return "";
    if (typeof session2 !== "string" || !this.#services.store.has("session", session2)) {
      throw new XapiError("SESSION_INVALID", [typeof session2 === "string" ? session2 : ""]);
    }
    return session2;
  }
  #clientError(method2, error) {
    if (error instanceof XapiError) return error;
    const message2 = error instanceof Error ? error.message : String(error);
    this.#services.log.error(`${method2}: ${error instanceof Error ? error.stack ?? message2 : message2}`);
    return new XapiError("INTERNAL_ERROR", [message2]);
  }
};
function choose(name, params, forms) {
  const [first] = forms;
  if (first === void 0) throw new XapiError("MESSAGE_METHOD_UNKNOWN", [name]);
  const fits = forms.find((form) => params.length >= count(form, isRequired) && params.length <= count(form, () => true));
  if (fits === void 0) {
    const expected = String(count(first, () => true));
    throw new XapiError("MESSAGE_PARAMETER_COUNT_MISMATCH", [name, expected, String(params.length)]);
  }
  return fits;
}
function count({ needsSession, params }, counted) {
  return params.filter(counted).length + (needsSession ? 1 : 0);
}
function isRequired(param) {
  return param.fallback === void 0;
}
function argumentsOf({ needsSession, params }, given) {
  const values = needsSession ? given.slice(1) : given;
  return Object.fromEntries(
    params.map(({ name, type, fallback }, index) => [
      name,
      index < values.length ? readArgument(name, values[index], type) : fallback
    ])
  );
}

// lib/toolstack/drivers.ts
init_files();
import { constants as constants10 } from "node:fs";
import { access, stat as stat3 } from "node:fs/promises";
import path8 from "node:path";

// lib/toolstack/storage/driver-info.ts
init_field();

// lib/toolstack/storage/plugin-response.ts
var ResponseMismatch = class extends Error {
  constructor(reason) {
    super(reason);
    this.name = "ResponseMismatch";
  }
};
function readResponse(root2) {
  if (root2.name !== "methodResponse") throw new ResponseMismatch(`root element ${root2.name}`);
  const [content2, ...more] = root2.children;
  if (content2 === void 0 || more.length > 0) throw new ResponseMismatch("methodResponse without one child");
  if (content2.name === "fault") return { fault: readFault(bare(content2)) };
  if (content2.name !== "params") throw new ResponseMismatch(`${content2.name} in methodResponse`);
  const param = only(content2, "param");
  return { value: only(param, "value") };
}
function readString(value) {
  const inner = content(value);
  if (inner === void 0) return bare(value).text;
  if (inner.name !== "string" || inner.children.length > 0) throw new ResponseMismatch(`${inner.name} for a string`);
  return inner.text;
}
function readNil(value) {
  if (content(value)?.name !== "nil") throw new ResponseMismatch("nothing but nil is expected");
}
function readStruct(value) {
  const members = typed(value, "struct").children.map((member2) => {
    const [name, item, ...more] = member2.children;
    const isMember = member2.name === "member" && name?.name === "name" && item?.name === "value" && more.length === 0;
    if (!isMember) throw new ResponseMismatch("a struct holds members of name and value");
    bare(member2);
    return [bare(name).text, bare(item)];
  });
  return new Map(members);
}
function readArray(value) {
  const data = bare(only(typed(value, "array"), "data"));
  if (data.children.some(({ name }) => name !== "value")) throw new ResponseMismatch("an array holds values");
  return data.children;
}
function readStrings(value) {
  return new Map([...readStruct(value)].map(([name, item]) => [name, readString(item)]));
}
function readPlace(value) {
  const members = readStrings(value);
  const location = members.get("location");
  const uuid = members.get("uuid");
  if (location === void 0 || uuid === void 0) throw new ResponseMismatch("VDI without location or uuid");
  return { location, uuid };
}
function readBackend(value) {
  const members = readStruct(value);
  const nbd = members.get("params_nbd");
  if (nbd === void 0) throw new ResponseMismatch("an attached VDI without params_nbd");
  const params = members.get("params");
  return { params: params === void 0 ? void 0 : readString(params), params_nbd: readString(nbd) };
}
function readFault(fault) {
  const members = readStruct(only(fault, "value"));
  const code = members.get("faultCode");
  const text3 = members.get("faultString");
  if (code === void 0 || text3 === void 0) throw new ResponseMismatch("fault without code or text");
  return { code: readInteger(code), text: readString(text3) };
}
function readInteger(value) {
  const inner = content(value);
  const isInteger = inner !== void 0 && ["int", "i4"].includes(inner.name) && /^-?\d{1,10}$/.test(inner.text);
  const number = isInteger ? Number(inner.text) : NaN;
  if (number !== (number | 0)) throw new ResponseMismatch("an int is expected");
  return number;
}
function content(value) {
  const [inner, ...more] = bare(value).children;
  if (inner === void 0) return void 0;
  if (more.length > 0 || value.text !== "") throw new ResponseMismatch("a value with more than one content");
  return bare(inner);
}
function typed(value, type) {
  const inner = content(value);
  if (inner?.name !== type) throw new ResponseMismatch(`${inner?.name ?? "text"} for a ${type}`);
  if (inner.text !== "") throw new ResponseMismatch(`text in a ${type}`);
  return inner;
}
function only(parent, name) {
  const [child, ...more] = parent.children;
  if (child?.name !== name || more.length > 0 || parent.text !== "") {
    throw new ResponseMismatch(`${parent.name} without one ${name}`);
  }
  return child;
}
function bare(node) {
  if (node.hasAttributes) throw new ResponseMismatch(`attributes on ${node.name}`);
  return node;
}

// lib/toolstack/storage/plugin-request.ts
var memberOrder = [
  ...["host_ref", "command", "args", "device_config", "session_ref", "sr_sm_config", "sr_ref"],
  ...["vdi_type", "sr_uuid", "vdi_ref", "vdi_location", "vdi_uuid", "driver_params", "vdi_sm_config"],
  ...["new_uuid", "subtask_of", "vdi_on_boot", "vdi_allow_caching", "local_cache_sr"]
];
function requestDocument(request) {
  const members = memberOrder.map((name) => [name, request[name]]);
  return callDocument(request.command, [members.filter((member2) => member2[1] !== void 0)]);
}
function callDocument(method2, params) {
  const values = params.map((param) => `<param>${typeof param === "string" ? valueOf2(param) : structOf(param)}</param>`);
  return `<methodCall>${element("methodName", escape3(method2))}<params>${values.join("")}</params></methodCall>`;
}
function valueOf2(value) {
  if (typeof value === "string") return element("value", escape3(value));
  if (isList2(value)) return element("value", element("array", element("data", value.map(valueOf2).join(""))));
  return structOf(Object.entries(value));
}
function structOf(members) {
  const content2 = members.map(([name, value]) => `<member>${element("name", escape3(name))}${valueOf2(value)}</member>`);
  return element("value", element("struct", content2.join("")));
}
function element(name, content2) {
  return content2 === "" ? `<${name}/>` : `<${name}>${content2}</${name}>`;
}
function isList2(value) {
  return Array.isArray(value);
}
function escape3(text3) {
  return text3.replace(/[\x00-\x08\x0b\x0c\x0e-\x1f]/g, "").replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

// lib/toolstack/storage/run-driver.ts
async function runDriver(executor, driver, request, read2) {
  const outcome = await start2(executor, driver, request);
  const stdout = withoutSession(outcome.stdout, request);
  const stderr = withoutSession(outcome.stderr, request);
  const ending = abnormalEnd(outcome);
  if (ending !== void 0) throw backendFailure(ending, stdout, stderr);
  const { parseXmlTree: parseXmlTree2 } = await Promise.resolve().then(() => (init_xml_tree(), xml_tree_exports));
  let root2;
  try {
    root2 = parseXmlTree2(outcome.stdout);
  } catch (error) {
    throw backendFailure(messageOf(error), stdout, stderr);
  }
  try {
    const response = readResponse(root2);
    if ("value" in response) return read2(response.value);
    throw faultError(request, response.fault, stderr);
  } catch (error) {
    if (error instanceof ResponseMismatch)
      throw backendFailure("", "XML parse failure: unexpected answer", error.message);
    throw error;
  }
}
async function start2(executor, driver, request) {
  try {
    return await executor.run(driver, requestDocument(request));
  } catch (error) {
    throw backendFailure(`cannot run ${driver}: ${errorCode(error)}`, "", "");
  }
}
function withoutSession(output, { session_ref: session2 }) {
  const text3 = output.toString("utf8");
  return session2 === void 0 ? text3 : text3.replaceAll(session2, "******");
}
function abnormalEnd({ exitCode, signal }) {
  if (signal !== void 0) return `received signal: ${signal}`;
  return exitCode === 0 ? void 0 : "non-zero exit";
}
function faultError(request, { code, text: text3 }, stderr) {
  const references = [request.sr_ref ?? "", request.vdi_ref ?? ""];
  switch (code) {
    case 38:
      return new Unimplemented(request.command);
    case 39:
      return new BackendError("SR_NOT_EMPTY", []);
    case 24:
      return new BackendError("VDI_IN_USE", []);
    case 16:
      return new BackendError("SR_DEVICE_IN_USE", []);
    case 144:
      return new BackendError("VDI_MISSING", references);
    default:
      return new BackendError(`SR_BACKEND_FAILURE_${code}`, ["", text3, stderr]);
  }
}
function backendFailure(...details) {
  return new BackendError("SR_BACKEND_FAILURE", details);
}
function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}
function errorCode(error) {
  return error instanceof Error && "code" in error ? String(error.code) : "unknown error";
}

// lib/toolstack/storage/driver-info.ts
var knownFeatures = /* @__PURE__ */ new Set([
  ...["SR_CREATE", "SR_DELETE", "SR_ATTACH", "SR_DETACH", "SR_SCAN", "SR_PROBE", "SR_UPDATE"],
  ...["SR_SUPPORTS_LOCAL_CACHING", "SR_CACHING", "SR_STATS", "SR_METADATA", "SR_TRIM", "SR_MULTIPATH"],
  ...["VDI_CREATE", "VDI_DELETE", "VDI_RESIZE", "VDI_RESIZE_ONLINE", "VDI_ATTACH", "VDI_DETACH"],
  ...["VDI_ACTIVATE", "VDI_DEACTIVATE", "VDI_ACTIVATE_READONLY", "VDI_SNAPSHOT", "VDI_CLONE", "VDI_REVERT"],
  ...["VDI_INTRODUCE", "VDI_UPDATE", "VDI_GENERATE_CONFIG", "VDI_ATTACH_OFFLINE", "VDI_RESET_ON_BOOT"],
  ...["VDI_CONFIG_CBT", "VDI_MIRROR", "VDI_MIRROR_IN", "VDI_COMPOSE", "VDI_READ_CACHING", "LARGE_VDI"],
  "THIN_PROVISIONING"
]);
async function askDriver(executor, driver, host2) {
  const request = { host_ref: host2, command: "sr_get_driver_info", args: [], device_config: {} };
  return runDriver(executor, driver, request, readDriverInfo);
}
function featuresOf2(capabilities) {
  const features = /* @__PURE__ */ new Map();
  for (const capability of capabilities) {
    const [name = "", version = ""] = capability.split("/");
    const number = /^\d{1,9}$/.test(version) ? Number(version) : 1;
    if (knownFeatures.has(name) && !features.has(name)) features.set(name, Math.max(1, number));
  }
  return Object.fromEntries(features);
}
function isDriverInfo(value) {
  if (!isObject(value)) return false;
  const texts = ["name", "description", "vendor", "copyright", "driverVersion", "requiredApiVersion"];
  return texts.every((name) => typeof value[name] === "string") && isOfType(value["capabilities"], "strings") && isOfType(value["imageFormats"], "strings") && isOfType(value["configuration"], "map");
}
function readDriverInfo(value) {
  const members = readStruct(value);
  const required2 = (name) => {
    const member2 = members.get(name);
    if (member2 === void 0) throw new ResponseMismatch(`driver information without ${name}`);
    return member2;
  };
  const formats = members.get("supported_image_formats");
  const info = {
    name: readString(required2("name")),
    description: readString(required2("description")),
    vendor: readString(required2("vendor")),
    copyright: readString(required2("copyright")),
    driverVersion: readString(required2("driver_version")),
    requiredApiVersion: readString(required2("required_api_version")),
    capabilities: readArray(required2("capabilities")).map(readString),
    configuration: Object.fromEntries(readArray(required2("configuration")).map(readKey)),
    imageFormats: formats === void 0 ? [] : readArray(formats).map(readString)
  };
  const unknown = info.imageFormats.find((format2) => !["raw", "vhd", "qcow2"].includes(format2));
  if (unknown !== void 0) throw new ResponseMismatch(`image format ${unknown}`);
  if (!/^[01](\.\d+)*$/.test(info.requiredApiVersion)) throw new ResponseMismatch("not a driver of SMAPIv1");
  return info;
}
function readKey(value) {
  const members = readStrings(value);
  return [members.get("key") ?? "", members.get("description") ?? ""];
}

// lib/toolstack/drivers.ts
async function findDrivers(search) {
  const found2 = /* @__PURE__ */ new Map();
  for (const name of await listDirectory(search.files, search.smDir)) {
    if (!/.SR$/.test(name)) continue;
    const driver = path8.join(search.smDir, name);
    const known = await askUnlessKnown(search, driver);
    if (known !== void 0) found2.set(driver, known);
  }
  return found2;
}
function registerDrivers(store, drivers) {
  for (const [driver, { info }] of drivers) {
    const type = path8.basename(driver).slice(0, -"SR".length).toLowerCase();
    const [ref] = store.where("SM", "type", type);
    const fields = smFields(type, driver, info);
    if (ref === void 0) store.create("SM", fields);
    else if (differs(store.get("SM", ref), fields)) store.update("SM", ref, fields);
  }
  for (const ref of store.refs("SM")) {
    if (!drivers.has(store.get("SM", ref).driver_filename)) store.remove("SM", ref);
  }
}
async function listDirectory(files, directory) {
  try {
    return await files.list(directory);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return [];
    throw error;
  }
}
async function askUnlessKnown(search, driver) {
  try {
    await access(driver, constants10.X_OK);
    const { mtimeMs, size } = await stat3(driver);
    const known = Object.hasOwn(search.known, driver) ? search.known[driver] : void 0;
    if (isKnown(known) && known.mtimeMs === mtimeMs && known.size === size) return known;
    return { mtimeMs, size, info: await askDriver(search.executor, driver, search.host) };
  } catch (error) {
    search.log.error(`${driver} is not used: ${error instanceof Error ? error.message : String(error)}`);
    return void 0;
  }
}
function isKnown(value) {
  return isObject(value) && isDriverInfo(value["info"]);
}
function smFields(type, driver, info) {
  const features = featuresOf2(info.capabilities);
  return {
    type,
    name_label: info.name,
    name_description: info.description,
    vendor: info.vendor,
    copyright: info.copyright,
    version: info.driverVersion,
    required_api_version: info.requiredApiVersion,
    configuration: info.configuration,
    capabilities: Object.keys(features),
    features,
    driver_filename: driver,
    supported_image_formats: info.imageFormats
  };
}
function differs(record, fields) {
  const current = Object.fromEntries(Object.entries(record).filter(([name]) => name in fields));
  const order = (value) => JSON.stringify(Object.entries(value).sort());
  return order(current) !== order(fields);
}

// lib/toolstack/HostPlugins.ts
init_files();
import { constants as constants11 } from "node:fs";
import { access as access2 } from "node:fs/promises";
import path9 from "node:path";
init_XapiClient();
var HostPlugins = class {
  #environment;
  constructor(environment) {
    this.#environment = environment;
  }
  /**
   * Calls a function of a plugin of a host. Throws XapiError XENAPI_MISSING_PLUGIN or XENAPI_PLUGIN_FAILURE, HOST_OFFLINE
   * where the host is not reached, or the plugin's own.
   */
  async call({ host: host2, plugin, fn, args }) {
    const { store } = this.#environment;
    const run = await this.#runnerOn(host2, plugin);
    const session2 = store.create("session", { this_host: host2, is_local_superuser: true, pool: true });
    try {
      return await readOutcome(fn, await run(callDocument(fn, [session2, Object.entries(args)])));
    } finally {
      store.remove("session", session2);
    }
  }
  async #runnerOn(host2, plugin) {
    const { executor, elsewhere, host: own } = this.#environment;
    const remote = host2 === own ? void 0 : elsewhere?.(host2);
    if (remote === void 0) {
      const program = await this.#find(plugin);
      return (document) => executor.run(program, document);
    }
    return (document) => remote(plugin, document).catch((error) => {
      throw Object.assign(new XapiError("HOST_OFFLINE", [host2]), { cause: error });
    });
  }
  /** A name must not lead out of the directory. */
  async #find(plugin) {
    const { directory } = this.#environment;
    const missing = new XapiError("XENAPI_MISSING_PLUGIN", [plugin]);
    if (directory === void 0 || !/^[\w.-]+$/.test(plugin) || plugin.startsWith(".")) throw missing;
    const program = path9.join(directory, plugin);
    try {
      await access2(program, constants11.X_OK);
      return program;
    } catch (error) {
      if (isErrno(error, "ENOENT") || isErrno(error, "EACCES")) throw missing;
      throw error;
    }
  }
};
async function readOutcome(fn, { exitCode, signal, stdout, stderr }) {
  const said = stdout.toString("utf8") + stderr.toString("utf8");
  if (signal !== void 0) throw new XapiError("XENAPI_PLUGIN_FAILURE", [fn, `signal: ${signal}`, said]);
  if (exitCode !== 0) throw new XapiError("XENAPI_PLUGIN_FAILURE", [fn, "non-zero exit", said]);
  const { decodeMethodResponse: decodeMethodResponse2, isStruct: isStruct2, XmlRpcError: XmlRpcError2 } = await Promise.resolve().then(() => (init_xmlrpc(), xmlrpc_exports));
  try {
    const answer = decodeMethodResponse2(stdout.toString("utf8"));
    if ("fault" in answer) throw new XapiError("XENAPI_PLUGIN_FAILURE", [fn, "fault", answer.fault.message]);
    const { value } = answer;
    if (typeof value === "string") return value;
    const failure2 = isStruct2(value) ? value["ErrorDescription"] : void 0;
    if (isStrings(failure2)) {
      const [code, ...details] = failure2;
      if (code !== void 0) throw new XapiError(code, details);
    }
  } catch (error) {
    if (!(error instanceof XmlRpcError2)) throw error;
  }
  throw new XapiError("XENAPI_PLUGIN_FAILURE", [fn, "parse failure", said]);
}

// lib/toolstack/inventory.ts
import path10 from "node:path";
async function readInventory(system, paths) {
  const { files } = system;
  const text3 = await files.exists(paths.inventory) ? await files.readText(paths.inventory) : "";
  const known = parseInventory(text3);
  const missing = ["INSTALLATION_UUID", "CONTROL_DOMAIN_UUID"].filter((name) => !known.has(name));
  if (missing.length > 0) {
    if (paths.isHost) throw new Error(`${paths.inventory} has no ${missing.join(", ")}`);
    for (const name of missing) known.set(name, system.newUuid());
    const added = missing.map((name) => `${name}='${known.get(name) ?? ""}'
`).join("");
    await files.makeDirectory(path10.dirname(paths.inventory), { recursive: true });
    await files.writeDurably(paths.inventory, text3 === "" || text3.endsWith("\n") ? text3 + added : `${text3}
${added}`);
  }
  return {
    hostUuid: known.get("INSTALLATION_UUID") ?? "",
    controlDomainUuid: known.get("CONTROL_DOMAIN_UUID") ?? ""
  };
}
function parseInventory(text3) {
  const entries = [...text3.matchAll(/^([A-Z_0-9]+)='([^'\n]*)'[ \t\r]*$/gm)];
  return new Map(entries.map(([, name = "", value = ""]) => [name, value]));
}

// lib/toolstack/Operations.ts
init_XapiClient();
var Operations = class {
  #store;
  #waitMs;
  #waiting = /* @__PURE__ */ new Set();
  /** `waitMs`: how long an operation waits for others, in milliseconds. */
  constructor(store, waitMs) {
    this.#store = store;
    this.#waitMs = waitMs;
  }
  /** Runs `body` with all marks set. Throws XapiError where the rules forbid one of the operations. */
  async run(call, marks, body) {
    await this.#acquire(call, marks);
    try {
      return await body();
    } finally {
      for (const mark of marks) this.#unmark(call.task, mark);
      for (const wake of [...this.#waiting]) wake();
    }
  }
  /** Between the last check and the marks nothing else can run. */
  async #acquire(call, marks) {
    const deadline = performance.now() + this.#waitMs;
    for (; ; ) {
      const conflict = this.#conflict(marks);
      if (conflict === void 0) break;
      const left = deadline - performance.now();
      if (left <= 0) throw conflict;
      await this.#nextEnd(left);
    }
    for (const mark of marks) this.#mark(call.task, mark);
  }
  #conflict(marks) {
    try {
      for (const mark of marks) this.#check(mark);
      return void 0;
    } catch (error) {
      if (error instanceof XapiError && error.code === "OTHER_OPERATION_IN_PROGRESS") return error;
      throw error;
    }
  }
  #check({ className, ref, operation }) {
    if (className === "SR") checkSrOperation(this.#store, ref, operation);
    else if (className === "VM") checkVmOperation(this.#store, ref, operation);
    else checkVdiOperation(this.#store, ref, operation);
  }
  #nextEnd(milliseconds) {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, Math.min(milliseconds, 2 ** 31 - 1));
      this.#waiting.add(wake);
    });
  }
  #mark(task2, { className, ref, operation }) {
    const { current_operations: current } = this.#store.get(className, ref);
    this.#store.update(className, ref, { current_operations: { ...current, [task2]: operation } });
  }
  /** The object may be gone: some operations end with it. */
  #unmark(task2, { className, ref }) {
    const record = this.#store.find(className, ref);
    if (record === void 0) return;
    this.#store.update(className, ref, { current_operations: withoutKey(record.current_operations, task2) });
  }
};

// lib/toolstack/own-records.ts
init_field();
import { hostname } from "node:os";
var softwareVersion = { product_brand: "sm-ts", product_version: "0.1.0", build_number: "0" };
function ensureOwnRecords(store, { hostUuid, controlDomainUuid }) {
  const host2 = store.refs("host")[0] ?? makeHost(store);
  const pool2 = store.refs("pool")[0] ?? store.create("pool", { master: host2 });
  const domain = controlDomain(store, host2) ?? makeControlDomain(store, host2);
  setUuid(store, "host", host2, hostUuid);
  setUuid(store, "VM", domain, controlDomainUuid);
  return { pool: pool2, host: host2 };
}
function makeHost(store) {
  const metrics = store.create("host_metrics", { live: true });
  return store.create("host", {
    name_label: hostname(),
    hostname: hostname(),
    address: "127.0.0.1",
    enabled: true,
    API_version_major: 2,
    API_version_minor: 21,
    API_version_vendor: "XenSource",
    software_version: softwareVersion,
    other_config: { multipathing: "false" },
    edition: "free",
    metrics
  });
}
function controlDomain(store, host2) {
  return store.where("VM", "resident_on", host2).find((vm2) => store.get("VM", vm2).is_control_domain);
}
function makeControlDomain(store, host2) {
  const vm2 = store.create("VM", {
    name_label: `Control domain on host: ${hostname()}`,
    power_state: "Running",
    is_control_domain: true,
    resident_on: host2,
    domid: 0,
    affinity: nullRef
  });
  store.update("host", host2, { control_domain: vm2 });
  return vm2;
}
function setUuid(store, className, ref, uuid) {
  if (store.get(className, ref).uuid !== uuid) store.update(className, ref, { uuid });
}

// lib/toolstack/StateFile.ts
init_lock_file();
import path11 from "node:path";
var ToolstackBusyError = class extends Error {
  constructor(stateFile) {
    super(`another toolstack is using ${stateFile}`);
    this.name = "ToolstackBusyError";
  }
};
var format = 1;
var empty = { generation: 0, objects: {}, plugins: {}, boot: "" };
var generationGap = 1e6;
var StateFile = class _StateFile {
  #files;
  #path;
  #lock;
  state;
  #facts;
  #written = 0;
  #writing;
  constructor(files, filePath, lock, state) {
    this.#files = files;
    this.#path = filePath;
    this.#lock = lock;
    this.state = state;
    this.#facts = { plugins: state.plugins, boot: state.boot };
  }
  /** Throws ToolstackBusyError where another process has it, and Error where the file is none of ours. */
  static async open(files, filePath) {
    await files.makeDirectory(path11.dirname(filePath), { recursive: true, mode: 448 });
    const lock = await lockFile(`${filePath}.lock`);
    if (lock === void 0) throw new ToolstackBusyError(filePath);
    try {
      const state = await files.exists(filePath) ? parseState(await files.readText(filePath), filePath) : empty;
      return new _StateFile(files, filePath, lock, { ...state, generation: state.generation + generationGap });
    } catch (error) {
      await lock.unlock();
      throw error;
    }
  }
  /** Resolves when every write to the store so far is on disk. Calls that come together share one write. */
  async save(store) {
    const wanted = store.durableVersion;
    while (this.#written < wanted) {
      this.#writing ??= this.#write(store);
      await this.#writing;
    }
  }
  /** Keeps what was found out at the start; written at once. */
  async saveFacts(store, facts) {
    while (this.#writing !== void 0) await this.#writing;
    this.#facts = facts;
    this.#writing = this.#write(store);
    await this.#writing;
  }
  /** Gives the file to others; nothing may be being saved. */
  async close() {
    await this.#lock.unlock();
  }
  async #write(store) {
    const version = store.durableVersion;
    const document = { format, generation: store.generation, ...this.#facts, objects: store.durableObjects() };
    try {
      await this.#files.writeDurably(this.#path, JSON.stringify(document));
      this.#written = version;
    } finally {
      this.#writing = void 0;
    }
  }
};
function parseState(text3, filePath) {
  const document = JSON.parse(text3);
  if (!isObject(document) || document["format"] !== format) throw new Error(`${filePath} is no state file of format 1`);
  const { generation, objects, plugins, boot = "" } = document;
  if (!Number.isSafeInteger(generation) || !isObject(objects) || !isObject(plugins) || !areTables(objects)) {
    throw new Error(`${filePath} is damaged`);
  }
  return { generation, objects, plugins, boot: typeof boot === "string" ? boot : "" };
}
function areTables(objects) {
  return Object.values(objects).every((table) => isObject(table) && Object.values(table).every(isObject));
}

// lib/toolstack/storage/Executor.ts
import { spawn } from "node:child_process";
import path12 from "node:path";
var xapiPath = ["/sbin", "/usr/sbin", "/bin", "/usr/bin"];
var maxOutputBytes = 64 * 1024 * 1024;
var Executor = class {
  #system;
  #environment;
  #runProgram;
  /** `environment`: what plugins get besides PATH and ORIGINATOR. */
  constructor(system, environment, runProgram) {
    this.#system = system;
    this.#environment = { PATH: searchPath(), ORIGINATOR: "SM", ...environment };
    this.#runProgram = runProgram;
  }
  /** Runs a program with one argument, which is not logged. Throws the system's error where it cannot be started. */
  async run(program, argument) {
    this.#system.effects.before("process", program);
    return this.#runProgram(program, argument, this.#environment);
  }
};
function makeRunProgram(files, newUuid, scratch) {
  const withScratch = (body) => {
    const name = path12.join(scratch, `output-${newUuid()}`);
    return files.using(files.create(name, { exclusive: true, mode: 384 }), async (file) => {
      await files.unlink(name);
      return body(file);
    });
  };
  return (program, argument, env) => withScratch(
    (stdout) => withScratch(async (stderr) => {
      const end3 = await spawnWith(program, argument, { env, output: [stdout.fd, stderr.fd] });
      return { ...end3, stdout: await contentOf(stdout), stderr: await contentOf(stderr) };
    })
  );
}
function spawnWith(program, argument, { env, output }) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, [argument], { env, cwd: "/", stdio: ["ignore", ...output] });
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      resolve({ exitCode: code ?? void 0, signal: signal ?? void 0 });
    });
  });
}
function searchPath() {
  const own = path12.dirname(process.execPath);
  return (xapiPath.includes(own) ? xapiPath : [...xapiPath, own]).join(":");
}
async function contentOf(file) {
  const { size } = await file.stat();
  return file.read(0, Math.min(size, maxOutputBytes));
}

// lib/toolstack/storage/StorageLocks.ts
var StorageLocks = class {
  #srs = /* @__PURE__ */ new Map();
  withVdi({ sr: sr2, vdi }, body) {
    const isFree = (state) => !state.isExclusive && !state.busyVdis.has(vdi);
    return this.#holding(sr2, isFree, {
      take: (state) => state.busyVdis.add(vdi),
      release: (state) => state.busyVdis.delete(vdi),
      body
    });
  }
  /** Waits for the SR's disks, and keeps them. */
  withSr(sr2, body) {
    const isFree = (state) => !state.isExclusive && state.busyVdis.size === 0;
    return this.#holding(sr2, isFree, {
      take: (state) => state.isExclusive = true,
      release: (state) => state.isExclusive = false,
      body
    });
  }
  async #holding(sr2, isFree, { take, release, body }) {
    const state = this.#srs.get(sr2) ?? { busyVdis: /* @__PURE__ */ new Set(), isExclusive: false, waiting: [] };
    this.#srs.set(sr2, state);
    while (!isFree(state)) await new Promise((resolve) => state.waiting.push(resolve));
    take(state);
    try {
      return await body();
    } finally {
      release(state);
      this.#wake(sr2, state);
    }
  }
  #wake(sr2, state) {
    const { waiting } = state;
    state.waiting = [];
    for (const wake of waiting) wake();
    if (waiting.length === 0 && !state.isExclusive && state.busyVdis.size === 0) this.#srs.delete(sr2);
  }
};

// lib/toolstack/storage/locked-storage.ts
function lockedStorage(inner) {
  const locks = new StorageLocks();
  return { SR: lockedSrs(inner.SR, locks), VDI: lockedVdis(inner.VDI, locks) };
}
function lockedSrs(inner, locks) {
  return {
    ...inner,
    create: (dbg2, sr2, size) => locks.withSr(sr2, () => inner.create(dbg2, sr2, size)),
    attach: (dbg2, sr2) => locks.withSr(sr2, () => inner.attach(dbg2, sr2)),
    detach: (dbg2, sr2) => locks.withSr(sr2, () => inner.detach(dbg2, sr2)),
    destroy: (dbg2, sr2) => locks.withSr(sr2, () => inner.destroy(dbg2, sr2))
  };
}
function lockedVdis(inner, locks) {
  const on = (place2, body) => locks.withVdi(place2, body);
  return {
    ...inner,
    destroy: (dbg2, place2) => on(place2, () => inner.destroy(dbg2, place2)),
    snapshot: (dbg2, place2, params) => on(place2, () => inner.snapshot(dbg2, place2, params)),
    clone: (dbg2, place2, params) => on(place2, () => inner.clone(dbg2, place2, params)),
    resize: (dbg2, place2, size) => on(place2, () => inner.resize(dbg2, place2, size)),
    compose: (dbg2, place2, base) => on(place2, () => inner.compose(dbg2, place2, base)),
    epoch_begin: (dbg2, place2) => on(place2, () => inner.epoch_begin(dbg2, place2)),
    epoch_end: (dbg2, place2) => on(place2, () => inner.epoch_end(dbg2, place2)),
    attach2: (dbg2, place2, writable) => on(place2, () => inner.attach2(dbg2, place2, writable)),
    activate: (dbg2, place2, writable) => on(place2, () => inner.activate(dbg2, place2, writable)),
    deactivate: (dbg2, place2) => on(place2, () => inner.deactivate(dbg2, place2)),
    detach: (dbg2, place2) => on(place2, () => inner.detach(dbg2, place2)),
    enable_cbt: (dbg2, place2) => on(place2, () => inner.enable_cbt(dbg2, place2)),
    disable_cbt: (dbg2, place2) => on(place2, () => inner.disable_cbt(dbg2, place2)),
    data_destroy: (dbg2, place2) => on(place2, () => inner.data_destroy(dbg2, place2)),
    list_changed_blocks: (dbg2, from, to) => on(from, () => inner.list_changed_blocks(dbg2, from, to))
  };
}

// lib/toolstack/storage/smapiv1-storage.ts
init_field();

// lib/toolstack/storage/PluginCalls.ts
var PluginCalls = class {
  store;
  #executor;
  #host;
  constructor({ store, executor, host: host2 }) {
    this.store = store;
    this.#executor = executor;
    this.#host = host2;
  }
  /** A command on an SR, given by its uuid. Throws BackendError, Unimplemented, SrNotAttached. */
  onSr({ task: task2 }, sr2, request, read2) {
    const [command, members] = request;
    const ref = findSr(this.store, sr2);
    const { type } = this.store.get("SR", ref);
    const own = {
      device_config: this.#deviceConfig(ref),
      sr_ref: ref,
      sr_uuid: sr2,
      subtask_of: task2,
      ...members
    };
    return this.#exec([type, command], { [smSessionKey]: ref }, own, read2);
  }
  /** A command on a disk. Throws also VdiDoesNotExist. */
  onVdi(dbg2, place2, request, read2) {
    const [command, members = {}] = request;
    const ref = findVdi(this.store, place2);
    const vdi = this.store.get("VDI", ref);
    const own = {
      vdi_ref: ref,
      vdi_location: vdi.location,
      vdi_uuid: vdi.uuid,
      vdi_on_boot: vdi.on_boot,
      vdi_allow_caching: String(vdi.allow_caching)
    };
    return this.onSr(dbg2, place2.sr, [command, { ...own, ...members }], read2);
  }
  probe({ task: task2 }, { type, device_config, sm_config }, read2) {
    const config = { SRmaster: "true", ...device_config };
    const members = { device_config: config, sr_sm_config: sm_config, subtask_of: task2 };
    return this.#exec([type, "sr_probe"], {}, members, read2);
  }
  async #exec([type, command], sessionConfig, members, read2) {
    const session2 = this.#login(sessionConfig);
    const request = {
      host_ref: this.#host,
      command,
      args: [],
      device_config: {},
      session_ref: session2,
      ...this.#localCache(),
      ...members
    };
    try {
      return await runDriver(this.#executor, this.#driverOf(type), request, read2);
    } finally {
      this.store.remove("session", session2);
    }
  }
  /** One host is the master of everything it has. */
  #deviceConfig(sr2) {
    const pbds = this.store.where("PBD", "SR", sr2).map((pbd2) => this.store.get("PBD", pbd2));
    const pbd = pbds.find(({ host: host2 }) => host2 === this.#host);
    if (pbd === void 0) throw new SrNotAttached(this.store.get("SR", sr2).uuid);
    return { SRmaster: "true", ...withoutKey(pbd.device_config, "SRmaster") };
  }
  #localCache() {
    const sr2 = this.store.find("SR", this.store.get("host", this.#host).local_cache_sr);
    return sr2 === void 0 ? {} : { local_cache_sr: sr2.uuid };
  }
  #driverOf(type) {
    const [sm] = this.store.where("SM", "type", type);
    if (sm === void 0) throw new BackendError("SR_UNKNOWN_DRIVER", [type]);
    return this.store.get("SM", sm).driver_filename;
  }
  #login(otherConfig) {
    return this.store.create("session", {
      this_host: this.#host,
      is_local_superuser: true,
      auth_user_name: "__sm__backend",
      other_config: otherConfig
    });
  }
};

// lib/toolstack/storage/smapiv1-storage.ts
function smapiv1Storage(environment) {
  const plugins = new PluginCalls(environment);
  return { SR: srStorage(plugins), VDI: { ...diskStorage(plugins), ...datapath(plugins), ...blockTracking(plugins) } };
}
function srStorage(plugins) {
  const { store } = plugins;
  return {
    create: (dbg2, sr2, size) => plugins.onSr(dbg2, sr2, ["sr_create", { args: [String(size)] }], readNil),
    attach: (dbg2, sr2) => plugins.onSr(dbg2, sr2, ["sr_attach", {}], readNil),
    detach: (dbg2, sr2) => plugins.onSr(dbg2, sr2, ["sr_detach", {}], readNil),
    destroy: (dbg2, sr2) => plugins.onSr(dbg2, sr2, ["sr_delete", {}], readNil),
    scan: async (dbg2, sr2) => {
      await plugins.onSr(dbg2, sr2, ["sr_scan", {}], readNil);
      return store.where("VDI", "SR", findSr(store, sr2)).map((ref) => vdiInfoOf(store, ref));
    },
    stat: async (dbg2, sr2) => {
      await plugins.onSr(dbg2, sr2, ["sr_update", {}], readNil);
      const { virtual_allocation, physical_utilisation, physical_size } = store.get("SR", findSr(store, sr2));
      return { virtual_allocation, physical_utilisation, physical_size };
    },
    probe: (dbg2, request) => plugins.probe(dbg2, request, readString)
  };
}
function diskStorage(plugins) {
  const { store } = plugins;
  return {
    create: async (dbg2, sr2, vdi) => {
      const { virtual_size, name_label, name_description, read_only } = vdi;
      const args = [String(virtual_size), name_label, name_description, "", "false", epoch, "", String(read_only)];
      const members = { args, vdi_type: vdi.ty, vdi_sm_config: vdi.sm_config };
      return madeDisk(plugins, sr2, await plugins.onSr(dbg2, sr2, ["vdi_create", members], readPlace));
    },
    introduce: async (dbg2, sr2, { uuid, location, sm_config }) => {
      const members = { new_uuid: uuid, vdi_location: location, vdi_sm_config: sm_config };
      return madeDisk(plugins, sr2, await plugins.onSr(dbg2, sr2, ["vdi_introduce", members], readPlace));
    },
    stat: (_dbg, place2) => Promise.resolve(vdiInfoOf(store, findVdi(store, place2))),
    destroy: (dbg2, place2) => plugins.onVdi(dbg2, place2, ["vdi_delete"], readNil),
    snapshot: async (dbg2, place2, driver_params) => madeDisk(plugins, place2.sr, await plugins.onVdi(dbg2, place2, ["vdi_snapshot", { driver_params }], readPlace)),
    clone: async (dbg2, place2, driver_params) => madeDisk(plugins, place2.sr, await plugins.onVdi(dbg2, place2, ["vdi_clone", { driver_params }], readPlace)),
    resize: async (dbg2, place2, size) => {
      await plugins.onVdi(dbg2, place2, ["vdi_resize", { args: [String(size)] }], readPlace);
      return store.get("VDI", findVdi(store, place2)).virtual_size;
    },
    update: (dbg2, place2) => plugins.onVdi(dbg2, place2, ["vdi_update"], readNil),
    revert: async (dbg2, sr2, { vdi, snapshot_of }) => {
      const target = targetOf(plugins, sr2, snapshot_of);
      await plugins.onVdi(dbg2, { sr: sr2, vdi }, ["vdi_revert", { args: [target] }], readNil);
    },
    compose: async (dbg2, place2, base) => {
      await plugins.onVdi(dbg2, place2, ["vdi_compose", { args: [findVdi(store, base)] }], readNil);
    }
  };
}
function datapath(plugins) {
  const { store } = plugins;
  return {
    epoch_begin: (dbg2, place2) => plugins.onVdi(dbg2, place2, ["vdi_epoch_begin"], readNil),
    epoch_end: (dbg2, place2) => plugins.onVdi(dbg2, place2, ["vdi_epoch_end"], readNil),
    attach2: (dbg2, place2, writable) => plugins.onVdi(dbg2, place2, ["vdi_attach", { args: [String(writable)] }], readBackend),
    activate: (dbg2, place2, writable) => plugins.onVdi(dbg2, place2, ["vdi_activate", { args: [String(writable)] }], readNil),
    deactivate: (dbg2, place2) => plugins.onVdi(dbg2, place2, ["vdi_deactivate"], readNil),
    detach: (dbg2, place2) => plugins.onVdi(dbg2, place2, ["vdi_detach"], readNil),
    set_persistent: (_dbg, place2, persistent) => {
      store.update("VDI", findVdi(store, place2), { on_boot: persistent ? "persist" : "reset" });
      return Promise.resolve();
    }
  };
}
function blockTracking(plugins) {
  return {
    enable_cbt: (dbg2, place2) => plugins.onVdi(dbg2, place2, ["vdi_enable_cbt"], readNil),
    disable_cbt: (dbg2, place2) => plugins.onVdi(dbg2, place2, ["vdi_disable_cbt"], readNil),
    data_destroy: (dbg2, place2) => plugins.onVdi(dbg2, place2, ["vdi_data_destroy"], readNil),
    list_changed_blocks: async (dbg2, from, to) => {
      const args = [findVdi(plugins.store, to)];
      return plugins.onVdi(dbg2, from, ["vdi_list_changed_blocks", { args }], readString);
    }
  };
}
function madeDisk({ store }, sr2, { location }) {
  const place2 = { sr: sr2, vdi: location };
  return vdiInfoOf(store, findVdi(store, place2));
}
function targetOf({ store }, sr2, uuid) {
  const srRef = findSr(store, sr2);
  const found2 = store.where("VDI", "uuid", uuid).find((ref) => store.get("VDI", ref).SR === srRef);
  if (found2 === void 0) throw new VdiDoesNotExist(uuid);
  return found2;
}

// lib/toolstack/Store.ts
init_XapiClient();
init_field();
init_schema();
var maxTombstones = 1e4;
var Store = class {
  #tables = new Map(classNames.map((name) => [name, /* @__PURE__ */ new Map()]));
  #indexes = /* @__PURE__ */ new Map();
  #versions = /* @__PURE__ */ new Map();
  #listeners = /* @__PURE__ */ new Set();
  #newUuid;
  #tombstones = [];
  #generation;
  #forgottenUntil = 0;
  #durableVersion = 0;
  constructor(newUuid, generation = 0) {
    this.#newUuid = newUuid;
    this.#generation = generation;
  }
  /** Counts every write. */
  get generation() {
    return this.#generation;
  }
  /** Counts the writes that must reach the state file. */
  get durableVersion() {
    return this.#durableVersion;
  }
  /** The last generation whose deletions are no longer known. */
  get forgottenUntil() {
    return this.#forgottenUntil;
  }
  get tombstones() {
    return this.#tombstones;
  }
  /** Makes an object; fields that are not given get their defaults, the uuid a fresh one. */
  create(className, fields) {
    const record = complete(className, { uuid: this.#newUuid(), ...fields });
    const ref = `OpaqueRef:${this.#newUuid()}`;
    const generation = this.#count(className);
    this.#table(className).set(ref, { record, created: generation, modified: generation });
    this.#announce();
    return ref;
  }
  /** Sets fields of an object. Throws XapiError HANDLE_INVALID where there is none. */
  update(className, ref, fields) {
    const row = this.#row(className, ref);
    row.record = { ...row.record, ...fields };
    row.modified = this.#count(className);
    this.#announce();
  }
  /** Removes an object; does nothing where there is none. */
  remove(className, ref) {
    const row = this.#table(className).get(ref);
    if (row === void 0) return;
    this.#table(className).delete(ref);
    this.#tombstones.push({ className, ref, created: row.created, deleted: this.#count(className) });
    if (this.#tombstones.length > 2 * maxTombstones) this.#forgetTombstones();
    this.#announce();
  }
  has(className, ref) {
    return this.#table(className).has(ref);
  }
  /** The stored fields; derived ones have their defaults. Throws XapiError HANDLE_INVALID. */
  get(className, ref) {
    return this.#row(className, ref).record;
  }
  /** The stored fields, or undefined where there is no such object. */
  find(className, ref) {
    return this.#table(className).get(ref)?.record;
  }
  refs(className) {
    return [...this.#table(className).keys()];
  }
  stamps(className) {
    return [...this.#table(className)].map(([ref, { created: created3, modified }]) => ({ ref, created: created3, modified }));
  }
  /** The objects of a class whose field has this value, e.g. the VDIs of an SR. Null refers to nothing. */
  where(className, field, value) {
    if (value === nullRef) return [];
    const key = `${className}.${field}`;
    const version = this.#versions.get(className) ?? 0;
    let index = this.#indexes.get(key);
    if (index?.version !== version) {
      index = { version, refs: indexOf(this.#table(className), field) };
      this.#indexes.set(key, index);
    }
    return index.refs.get(value) ?? [];
  }
  /** Throws XapiError UUID_INVALID where no object of the class has the uuid. */
  byUuid(className, uuid) {
    const [ref] = this.where(className, "uuid", uuid);
    if (ref === void 0) throw new XapiError("UUID_INVALID", [className, uuid]);
    return ref;
  }
  /** Calls back after every write until the returned function is called. */
  listen(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
  /** What belongs in the state file. */
  durableObjects() {
    const durable = classNames.filter((name) => !definitionOf(name).transient);
    return Object.fromEntries(
      durable.map((name) => [
        name,
        Object.fromEntries([...this.#table(name)].map(([ref, row]) => [ref, storedFields(name, row.record)]))
      ])
    );
  }
  /** Takes over the objects of a state file. What was in progress when it was written is no longer. */
  load(objects) {
    for (const name of classNames) {
      if (definitionOf(name).transient) continue;
      for (const [ref, fields] of Object.entries(objects[name] ?? {})) {
        const record = complete(name, { ...fields, current_operations: {} });
        this.#table(name).set(ref, { record, created: this.#generation, modified: this.#generation });
      }
    }
  }
  #table(className) {
    const table = this.#tables.get(className);
    if (table === void 0) throw new TypeError(`no class ${className}`);
    return table;
  }
  #row(className, ref) {
    const row = this.#table(className).get(ref);
    if (row === void 0) throw new XapiError("HANDLE_INVALID", [className, ref]);
    return row;
  }
  #count(className) {
    this.#generation += 1;
    this.#versions.set(className, (this.#versions.get(className) ?? 0) + 1);
    if (!definitionOf(className).transient) this.#durableVersion += 1;
    return this.#generation;
  }
  #forgetTombstones() {
    this.#forgottenUntil = this.#tombstones.at(-maxTombstones - 1)?.deleted ?? this.#forgottenUntil;
    this.#tombstones = this.#tombstones.slice(-maxTombstones);
  }
  #announce() {
    for (const listener of [...this.#listeners]) listener();
  }
};
function complete(className, given) {
  const fields = Object.entries(definitionOf(className).fields);
  return Object.fromEntries(
    fields.map(([name, type]) => [name, isOfType(given[name], type) ? given[name] : defaultOf(type)])
  );
}
function storedFields(className, record) {
  const { derived } = definitionOf(className);
  const passing = /* @__PURE__ */ new Set([...derived, "current_operations"]);
  return Object.fromEntries(Object.entries(record).filter(([name]) => !passing.has(name)));
}
function indexOf(table, field) {
  const refs = /* @__PURE__ */ new Map();
  for (const [ref, { record }] of table) {
    const value = record[field];
    if (typeof value !== "string") continue;
    const same2 = refs.get(value);
    if (same2 === void 0) refs.set(value, [ref]);
    else same2.push(ref);
  }
  return refs;
}

// lib/toolstack/toolstack.ts
var twoHours = 2 * 60 * 60 * 1e3;
var inheritedVariables = ["SM_LOG", "SM_VHD_UTIL", "SM_DATAPATH", "SM_NBD_WRITE_THROUGH", "SM_FIST"];
async function startToolstack(options) {
  const { system, paths } = options;
  const stateFile = options.stateFile ?? path13.join(paths.toolstackState, "toolstack", "state.json");
  const socketPath = options.socketPath ?? (paths.isHost ? path13.join(path13.dirname(stateFile), "xapi") : paths.xapiSocket);
  const state = await StateFile.open(system.files, stateFile);
  try {
    return await startWithState(options, state, { stateFile, socketPath });
  } catch (error) {
    await state.close();
    throw error;
  }
}
async function startWithState(options, state, places) {
  const { system, paths } = options;
  const store = new Store(system.newUuid, state.state.generation);
  store.load(state.state.objects);
  const url = `unix:${places.socketPath}`;
  const runProgram = options.runProgram ?? makeRunProgram(system.files, system.newUuid, path13.dirname(places.stateFile));
  const executor = new Executor(system, pluginEnvironment(options, url), runProgram);
  const { host: host2, pool: pool2 } = ensureOwnRecords(store, await readInventory(system, paths));
  const boot = options.boot ?? await readBoot(system.files);
  const isRebooted = state.state.boot !== "" && boot !== state.state.boot;
  forgetReservations(store);
  const toPlug = isRebooted ? resetAfterReboot(store) : [];
  const closing2 = new AbortController();
  const storage = lockedStorage(smapiv1Storage({ store, executor, host: host2 }));
  const log = options.log ?? makeLogger({ ident: "toolstack" });
  const { explainRevert } = options;
  const services = {
    system,
    paths,
    log,
    store,
    host: host2,
    pool: pool2,
    operations: new Operations(store, options.operationWaitMs ?? twoHours),
    storage,
    copier: new DiskCopier({ system, paths, storage }),
    hostPlugins: new HostPlugins({
      store,
      executor,
      host: host2,
      directory: options.hostPluginDir,
      elsewhere: options.elsewhere
    }),
    credentials: credentialsOf(options.listen),
    explainRevert: explainRevert && ((question) => explainRevert(question, inProcess)),
    subscriptions: /* @__PURE__ */ new Map(),
    save: () => state.save(store),
    vmOptions: { attachDisks: false, restoreMissingDisks: false, ...options.vms },
    closing: closing2.signal
  };
  await discover(options, { state, store, executor, log, host: host2, boot });
  await state.save(store);
  const dispatcher = new Dispatcher(services);
  const servers = await listen(options, places.socketPath, dispatcher);
  const inProcess = rootSession(services, dispatcher);
  await plugAgain(inProcess, toPlug, log);
  let closed;
  return {
    url,
    tcpUrl: tcpUrlOf(options.listen, servers.tcp),
    session: () => inProcess,
    close: () => {
      closing2.abort();
      closed ??= end2({ dispatcher, servers, state, store });
      return closed;
    }
  };
}
async function plugAgain(session2, pbds, log) {
  for (const pbd of pbds) {
    try {
      await session2.call("PBD.plug", pbd);
    } catch (error) {
      log.error(`not plugged again after the reboot: ${String(error)}`);
    }
  }
}
async function end2({ dispatcher, servers, state, store }) {
  await dispatcher.settle();
  await servers.tcp?.close();
  await servers.local.close();
  await dispatcher.settle();
  try {
    await state.save(store);
  } finally {
    await state.close();
  }
}
function pluginEnvironment({ paths, env }, url) {
  const inherited = inheritedVariables.flatMap((name) => {
    const value = process.env[name];
    return value === void 0 ? [] : [[name, value]];
  });
  const root2 = paths.isHost ? {} : { SM_ROOT: paths.root };
  return { ...Object.fromEntries(inherited), ...root2, SM_XAPI_URL: url, ...env };
}
function credentialsOf(listener) {
  const { user, password } = listener ?? {};
  return user === void 0 || password === void 0 ? void 0 : { user, password };
}
async function discover({ system, smDir: smDir2 }, discovery) {
  const { state, store, executor, log, host: host2, boot } = discovery;
  const known = state.state.plugins;
  const drivers = await findDrivers({ files: system.files, executor, log, host: host2, smDir: smDir2, known });
  registerDrivers(store, drivers);
  const plugins = Object.fromEntries(drivers);
  const isKnown2 = JSON.stringify(plugins) === JSON.stringify(known) && boot === state.state.boot;
  if (!isKnown2) await state.saveFacts(store, { plugins, boot });
}
async function listen(options, socketPath, dispatcher) {
  const { files } = options.system;
  const answerFor = (caller) => (method2, params) => dispatcher.dispatch({ method: method2, params, caller });
  await files.makeDirectory(path13.dirname(socketPath), { recursive: true });
  await files.unlinkIfPresent(socketPath);
  const local = await Server.listen({ socketPath }, answerFor);
  if (options.listen === void 0) return { local, tcp: void 0 };
  const { host: host2, port } = options.listen;
  const page = options.pageDirectory === void 0 ? void 0 : pagesIn(files, options.pageDirectory);
  try {
    return { local, tcp: await Server.listen({ host: host2, port }, answerFor, page) };
  } catch (error) {
    await local.close();
    throw error;
  }
}
function tcpUrlOf(listener, server) {
  if (listener === void 0 || server?.port === void 0) return void 0;
  return `http://${listener.host.includes(":") ? `[${listener.host}]` : listener.host}:${server.port}`;
}
function rootSession({ store, host: host2 }, dispatcher) {
  let session2;
  const login2 = () => store.create("session", { this_host: host2, is_local_superuser: true, auth_user_name: "root", pool: true });
  return {
    call: async (method2, ...args) => {
      if (session2 === void 0 || !store.has("session", session2)) session2 = login2();
      const params = [session2, ...args];
      const { value } = await dispatcher.dispatch({ method: method2, params, caller: { transport: "local" } });
      return plain(value);
    }
  };
}

// test/host/toolstack/serve.ts
var [root = "", smDir = ""] = process.argv.slice(2);
await startToolstack({ system: makeSystem(), paths: new Paths(root), smDir });
process.stdout.write("ready\n");
