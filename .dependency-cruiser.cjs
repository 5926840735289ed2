/** Layers of the house: bin and cli use drivers and lib, drivers use lib, lib knows no driver. No cycles. */
module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'lib-knows-no-driver',
      severity: 'error',
      from: { path: '^lib' },
      to: { path: '^(drivers|cli|xe|bin|test)' },
    },
    {
      name: 'drivers-know-no-program',
      severity: 'error',
      from: { path: '^drivers' },
      to: { path: '^(cli|xe|bin|test)' },
    },
    { name: 'plugins-load-no-cli', severity: 'error', from: { path: '^bin/[A-Z]' }, to: { path: '^(cli|xe|test)' } },
    {
      name: 'nothing-unused-from-tests',
      severity: 'error',
      from: { path: '^(bin|cli|drivers|lib|vhd-util|xe)' },
      to: { path: '^test' },
    },
    {
      name: 'development-packages-stay-out',
      severity: 'error',
      from: { path: '^(bin|cli|drivers|lib|vhd-util|xe)' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'require', 'node', 'default'] },
  },
}
