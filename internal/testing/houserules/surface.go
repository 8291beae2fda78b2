package houserules

import (
	"fmt"
	"go/types"
	"slices"
	"strings"
)

// Surface lists the exported API of the package, except for declarations in the
// files named in except. It has one line for each constant (with its value),
// function, type, field, method and variable. The lines are sorted by kind and
// name; fields and methods follow their type.
func (p *Package) Surface(except ...string) []string {
	var constants, functions, typeLines, variables []string
	scope := p.Types.Scope()
	for _, name := range scope.Names() {
		obj := scope.Lookup(name)
		if !p.exportedOutside(obj, except) {
			continue
		}
		switch obj := obj.(type) {
		case *types.Const:
			constants = append(constants, fmt.Sprintf("const %s %s = %s", name, p.text(obj.Type()), obj.Val().ExactString()))
		case *types.Func:
			functions = append(functions, "func "+name+p.signature(obj))
		case *types.TypeName:
			typeLines = append(typeLines, p.typeSurface(obj)...)
		case *types.Var:
			variables = append(variables, "var "+name+" "+p.text(obj.Type()))
		}
	}
	return slices.Concat(constants, functions, typeLines, variables)
}

// typeSurface returns the lines of a type: the type, its exported fields in order,
// and its exported methods by name.
func (p *Package) typeSurface(obj *types.TypeName) []string {
	name := obj.Name()
	if obj.IsAlias() {
		return []string{"type " + name + " = " + p.text(types.Unalias(obj.Type()))}
	}
	var lines []string
	switch under := obj.Type().Underlying().(type) {
	case *types.Struct:
		lines = append(lines, "type "+name+" struct")
		for field := range under.Fields() {
			if field.Exported() {
				lines = append(lines, fmt.Sprintf("field %s.%s %s", name, field.Name(), p.text(field.Type())))
			}
		}
	case *types.Interface:
		lines = append(lines, "type "+name+" interface")
	default:
		lines = append(lines, "type "+name+" "+p.text(under))
	}
	return append(lines, p.methods(obj.Type(), name)...)
}

// methods returns a line for each exported method of a type and of a pointer to
// it, including promoted methods.
func (p *Package) methods(t types.Type, name string) []string {
	var lines []string
	own, all := types.NewMethodSet(t), types.NewMethodSet(types.NewPointer(t))
	if types.IsInterface(t) {
		all = own
	}
	for selection := range all.Methods() {
		method := selection.Obj().(*types.Func)
		if !method.Exported() {
			continue
		}
		on := name
		if own.Lookup(method.Pkg(), method.Name()) == nil {
			on = "*" + name
		}
		lines = append(lines, fmt.Sprintf("method (%s) %s%s", on, method.Name(), p.signature(method)))
	}
	return lines
}

// signature returns the parameters and results of a function.
func (p *Package) signature(fn *types.Func) string {
	return strings.TrimPrefix(p.text(fn.Type()), "func")
}

// text returns a type as it is written in the package's source.
func (p *Package) text(t types.Type) string {
	return types.TypeString(t, func(other *types.Package) string {
		if other == p.Types {
			return ""
		}
		return other.Name()
	})
}
