import { Api, ApiError } from './api.ts'
import { byId } from './dom.ts'
import { Model } from './model.ts'
import { PlanDialog } from './plan.ts'
import { srCards, vmCards, type Choice } from './views.ts'

const api = new Api()
const dialog = new PlanDialog(api)
let following: AbortController | undefined

byId('sign-in').addEventListener('submit', event => {
  event.preventDefault()
  void signIn()
})
byId('sign-out').addEventListener('click', () => {
  void signOut()
})

async function signIn(): Promise<void> {
  const [user, password] = [byId('user') as HTMLInputElement, byId('password') as HTMLInputElement]
  byId('sign-in-error').textContent = ''
  try {
    await api.login(user.value, password.value)
  } catch (error) {
    const isWrong = error instanceof ApiError && error.code === 'SESSION_AUTHENTICATION_FAILED'
    byId('sign-in-error').textContent = isWrong ? 'User or password is wrong.' : String(error)
    return
  }
  password.value = ''
  showSignedIn(true)
  await follow()
}

async function signOut(): Promise<void> {
  following?.abort()
  await api.logout()
  showSignedIn(false)
}

function showSignedIn(isSignedIn: boolean): void {
  byId('sign-in').hidden = isSignedIn
  byId('main').hidden = !isSignedIn
  byId('sign-out').hidden = !isSignedIn
  byId('state').textContent = isSignedIn ? 'Connected' : 'Not signed in'
}

/** Until the user signs out or the server goes away. */
async function follow(): Promise<void> {
  const model = new Model()
  following = new AbortController()
  const { signal } = following
  const onRevert = (choice: Choice) => {
    void dialog.open(choice, model)
  }
  const render = () => {
    byId('vms').replaceChildren(...vmCards(model, onRevert))
    byId('srs').replaceChildren(...srCards(model, onRevert))
  }
  try {
    await model.follow(api, render, signal)
  } catch (error) {
    if (signal.aborted) return
    showSignedIn(false)
    byId('sign-in-error').textContent =
      `The connection is lost: ${error instanceof Error ? error.message : String(error)}`
  }
}
