// Requests to the JSON API.
import { complain } from '/js/notices.js';

// An APIError is an error response, or a request without a response.
export class APIError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// request returns the API's response, or throws an APIError. Its status is 0 if
// there was no response.
export async function request(method, path, body) {
  const options = { method };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers = { 'Content-Type': 'application/json' };
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new APIError(0, 'The server did not answer. Check whether the change was made.');
  }
  if (response.status === 204) return null;
  const result = await response.json().catch(() => ({}));
  if (response.ok) return result;
  let message = sentence(result.error ?? `the server answered with status ${response.status}`);
  if (response.status === 429) {
    const seconds = Number(response.headers.get('Retry-After')) || 1;
    message += ` Try again in ${seconds} ${seconds === 1 ? 'second' : 'seconds'}.`;
  }
  throw new APIError(response.status, message);
}

// attempt is like request, but for event handlers: it shows errors to the user
// and returns undefined.
export async function attempt(method, path, body) {
  try {
    return await request(method, path, body);
  } catch (error) {
    if (!(error instanceof APIError)) throw error;
    complain(error.message);
    return undefined;
  }
}

function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? '' : '.');
}
