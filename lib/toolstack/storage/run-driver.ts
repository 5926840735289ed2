import type { Ref } from '../../xapi/XapiClient.ts'
import type { Executor, Outcome } from './Executor.ts'
import { requestDocument, type PluginRequest } from './plugin-request.ts'
import { readResponse, ResponseMismatch, type PluginResponse } from './plugin-response.ts'
import { BackendError, Unimplemented } from './errors.ts'
import type { XmlNode } from './xml-tree.ts'

/**
 * Runs a driver's command and reads its answer with `read`. Throws Unimplemented for fault 38 and BackendError for
 * every other failure, as xapi tells it to its clients (spec smapi 1, 4.2).
 */
export async function runDriver<T>(
  executor: Executor,
  driver: string,
  request: PluginRequest,
  read: (value: XmlNode) => T,
): Promise<T> {
  const outcome = await start(executor, driver, request)
  const stdout = withoutSession(outcome.stdout, request)
  const stderr = withoutSession(outcome.stderr, request)
  const ending = abnormalEnd(outcome)
  if (ending !== undefined) throw backendFailure(ending, stdout, stderr)
  const { parseXmlTree } = await import('./xml-tree.ts')
  let root: XmlNode
  try {
    root = parseXmlTree(outcome.stdout)
  } catch (error) {
    throw backendFailure(messageOf(error), stdout, stderr)
  }
  try {
    const response = readResponse(root)
    if ('value' in response) return read(response.value)
    throw faultError(request, response.fault, stderr)
  } catch (error) {
    if (error instanceof ResponseMismatch)
      throw backendFailure('', 'XML parse failure: unexpected answer', error.message)
    throw error
  }
}

async function start(executor: Executor, driver: string, request: PluginRequest): Promise<Outcome> {
  try {
    return await executor.run(driver, requestDocument(request))
  } catch (error) {
    throw backendFailure(`cannot run ${driver}: ${errorCode(error)}`, '', '')
  }
}

/** What a plugin says reaches clients and logs, where its session must not. */
function withoutSession(output: Buffer, { session_ref: session }: PluginRequest): string {
  const text = output.toString('utf8')
  return session === undefined ? text : text.replaceAll(session, '******')
}

function abnormalEnd({ exitCode, signal }: Outcome): string | undefined {
  if (signal !== undefined) return `received signal: ${signal}`
  return exitCode === 0 ? undefined : 'non-zero exit'
}

type Fault = Extract<PluginResponse, { fault: unknown }>['fault']

function faultError(request: PluginRequest, { code, text }: Fault, stderr: string): Error {
  const references: [Ref, Ref] = [request.sr_ref ?? '', request.vdi_ref ?? '']
  switch (code) {
    case 38:
      return new Unimplemented(request.command)
    case 39:
      return new BackendError('SR_NOT_EMPTY', [])
    case 24:
      return new BackendError('VDI_IN_USE', [])
    case 16:
      return new BackendError('SR_DEVICE_IN_USE', [])
    case 144:
      return new BackendError('VDI_MISSING', references)
    default:
      return new BackendError(`SR_BACKEND_FAILURE_${code}`, ['', text, stderr])
  }
}

function backendFailure(...details: [string, string, string]): BackendError {
  return new BackendError('SR_BACKEND_FAILURE', details)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The message of a failed start may hold the whole argument, and with it the session. */
function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
}
