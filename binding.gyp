{
  # CMakeLists.txt is the only list of sources. This target makes `node-gyp rebuild` run it through cmake-js.
  'targets': [{
    'target_name': 'tenfold_cmake',
    'type': 'none',
    'actions': [{
      'action_name': 'cmake_js',
      'inputs': ['CMakeLists.txt'],
      'outputs': ['<(PRODUCT_DIR)/tenfold.node'],
      'action': ['<!(node -p "process.execPath")', '<!(node -p "require.resolve(\'cmake-js/bin/cmake-js\')")',
                 'compile', '--out', 'build/cmake', '--config', '<(CONFIGURATION_NAME)'],
    }],
  }],
}
