// read returns the events of the server's stream as a page receives them. It gets
// their names from the server first, and stops at the event named end.
export async function read(EventSource, base) {
	const names = await (await fetch(base + '/names')).json()
	return new Promise((resolve, reject) => {
		const got = []
		const source = new EventSource(base + '/events')
		const note = (e) => got.push({ name: e.type, data: e.data, id: e.lastEventId })
		for (const name of new Set(names)) source.addEventListener(name, note)
		source.addEventListener('end', () => {
			source.close()
			resolve(got)
		})
		source.onerror = (e) => {
			source.close()
			reject(new Error('the stream failed after ' + got.length + ' events: ' + e.message))
		}
	})
}
