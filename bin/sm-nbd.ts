import { main } from '../lib/datapath/nbd/main.ts'

void main(process.argv.slice(2))
