/** The XML-RPC codec of the SMAPIv1 wire (spec smapi 2 and 3). */
export { decodeMethodCall, decodeMethodResponse } from './xmlrpc-decode.ts'
export { encodeFault, encodeMethodCall, encodeMethodResponse } from './xmlrpc-encode.ts'
export { isStruct, XmlDate, XmlRpcError, type XmlInput, type XmlValue } from './xmlrpc-value.ts'
