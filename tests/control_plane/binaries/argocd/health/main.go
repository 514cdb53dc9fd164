// Health evaluates a health check of Argo CD: `health FILE < OBJECTS`, with one line of JSON for each object.
//
// It runs the script in the interpreter that Argo CD uses, and opens the libraries that Argo CD opens: the
// base functions, package and table. It gives the script the same variable, obj. Argo CD's own package
// util/lua is not imported, because it needs more than a thousand other packages.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	lua "github.com/yuin/gopher-lua"
	luajson "layeh.com/gopher-json"
)

func main() {
	if len(os.Args) != 2 {
		fail(fmt.Errorf("usage: health FILE < OBJECTS"))
	}
	script, err := os.ReadFile(os.Args[1])
	fail(err)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var object any
		fail(json.Unmarshal(lines.Bytes(), &object))
		answer, err := health(string(script), object)
		fail(err)
		fmt.Println(string(answer))
	}
	fail(lines.Err())
}

func health(script string, object any) ([]byte, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for _, library := range []struct {
		name string
		open lua.LGFunction
	}{
		{lua.LoadLibName, lua.OpenPackage},
		{lua.BaseLibName, lua.OpenBase},
		{lua.TabLibName, lua.OpenTable},
	} {
		call := lua.P{Fn: state.NewFunction(library.open), NRet: 0, Protect: true}
		if err := state.CallByParam(call, lua.LString(library.name)); err != nil {
			return nil, err
		}
	}
	limit, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	state.SetContext(limit)
	state.SetGlobal("obj", luajson.DecodeValue(state, object))
	if err := state.DoString(script); err != nil {
		return nil, err
	}
	answer := state.Get(-1)
	if answer.Type() != lua.LTTable {
		return nil, fmt.Errorf("the script returns %s instead of a table", answer.Type())
	}
	return luajson.Encode(answer)
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
